"""Rate limits per address or member, counted in Redis for all web processes together.

Requests pass while Redis is not reachable.
"""

import hashlib
import ipaddress
import math
import re
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import ngettext
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from smimso.errors import Overloaded
from smimso.login_names import normalize_login
from smimso.web.pages import PageRequest, PageView

if TYPE_CHECKING:  # this module names a default throttle class, which that one imports
    from rest_framework.views import APIView

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"(\d+)/(\d*)([smh])")


def retry_after(scope: str, *client: str) -> float:
    """Count a request and return 0 if it may pass, else the seconds until the next one may.

    scope: a key of settings.THROTTLES. client: what identifies the client, such as address and
    account. Windows are fixed: they begin at multiples of their length.
    """
    rate = settings.THROTTLES.get(scope, "")
    match = _RATE.fullmatch(rate)
    if match is None:
        if rate:
            raise ValueError(f"{rate!r} is not a rate such as 10/5m")
        return 0.0
    max_requests, window = int(match[1]), int(match[2] or 1) * _SECONDS[match[3]]
    now = time.time()
    digest = hashlib.sha256("\n".join(client).encode(errors="surrogatepass")).hexdigest()[:32]
    key = f"throttle:{scope}:{digest}:{int(now // window)}"
    cache.add(key, 0, timeout=window + 1)
    try:
        count = cache.incr(key)
    except ValueError:  # it expired between the two
        return 0.0
    is_over = count is not None and count > max_requests  # None: Redis is not reachable
    return window - now % window if is_over else 0.0


def login_retry_after(request: HttpRequest, account: str) -> float:
    """Count an attempt to log in, as `retry_after` does: per account, and per address.

    All forms that log in count here, so that each of them allows the same number of guesses.
    """
    address = client_address(request)
    at_account = retry_after("password", address, normalize_login(account))
    return max(at_account, retry_after("login", address))


def client_address(request: HttpRequest | Request) -> str:
    """Return the address that the nearest trusted proxy saw, or else that of the connection.

    Clients can forge entries further left in X-Forwarded-For. For IPv6, return the /64 network,
    because that is what one subscriber gets.
    """
    address = request.META.get("REMOTE_ADDR", "")
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    trusted = api_settings.NUM_PROXIES
    if trusted and hops != [""]:
        address = hops[-min(trusted, len(hops))].strip()
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def client_key(request: HttpRequest | Request) -> str:
    """Return a member's id, or the address of a visitor."""
    user = request.user
    return str(user.pk) if user and user.is_authenticated else client_address(request)


def throttled(scope: str, *, reads: bool = False) -> Callable[[PageView], PageView]:
    """Decorate a page that counts together with the API's views of the same `throttle_scope`.

    reads: count GET as well, as `throttle_reads` does for views of the API.
    """

    def decorate(view: PageView) -> PageView:
        @wraps(view)
        def limit(request: PageRequest, **route: object) -> HttpResponse:
            if request.method in ("GET", "HEAD") and not reads:
                return view(request, **route)
            wait = retry_after(scope, client_key(request))
            return _too_many_requests(request, wait) if wait else view(request, **route)

        return limit

    return decorate


def _too_many_requests(request: PageRequest, wait: float) -> HttpResponse:
    minutes = math.ceil(wait / 60)
    text = ngettext(
        "Please try again in a minute.", "Please try again in %(number)s minutes.", minutes
    )
    page = {"advice": text % {"number": minutes}}
    template = "_too_many.html" if request.htmx else "429.html"
    response = render(request, template, page, status=Overloaded.status)
    response.headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return response


class _Throttle(BaseThrottle):
    _wait = 0.0

    def wait(self) -> float | None:
        return max(1, math.ceil(self._wait))


def is_throttled(view: "APIView", method: str | None) -> bool:
    """Return True if SharedScopeThrottle counts requests with this method.

    These are writing requests, and reads of views with `throttle_reads`, which are expensive.
    """
    reads = method in ("GET", "HEAD") and not getattr(view, "throttle_reads", False)
    return hasattr(view, "throttle_scope") and method != "OPTIONS" and not reads


class SharedScopeThrottle(_Throttle):
    """Counts by the view's `throttle_scope`, if it has one."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if not is_throttled(view, request.method):
            return True
        scope = getattr(view, "throttle_scope", "")
        self._wait = retry_after(scope, client_key(request))
        return not self._wait


class AccountThrottle(_Throttle):
    """Counts attempts at one account from one address, in addition to `throttle_scope`."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return True
        fields = request.data if isinstance(request.data, Mapping) else {}
        account = normalize_login(str(fields.get("emailOrPhone", "")))
        if request.user and request.user.is_authenticated:
            account = str(request.user.pk)
        self._wait = retry_after("password", client_address(request), account)
        return not self._wait
