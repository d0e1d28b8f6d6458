"""How often one address or one member may ask; counted in Redis, for all web processes together.

When Redis is away, requests pass: a limit is no reason to be down.
"""

import hashlib
import ipaddress
import math
import re
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import ngettext
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from smimso.errors import Overloaded
from smimso.web.pages import PageRequest

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"(\d+)/(\d*)([smh])")


def retry_after(scope: str, *who: str) -> float:
    """Counts one request of `who`; 0 when it may pass, else seconds until the next one may."""
    rate = settings.THROTTLES.get(scope, "")
    match = _RATE.fullmatch(rate)
    if match is None:
        if rate:
            raise ValueError(f"{rate!r} is no rate; one looks like 10/5m")
        return 0.0
    most, window = int(match[1]), int(match[2] or 1) * _SECONDS[match[3]]
    now = time.time()
    digest = hashlib.sha256("\n".join(who).encode(errors="surrogatepass")).hexdigest()[:32]
    key = f"throttle:{scope}:{digest}:{int(now // window)}"
    cache.add(key, 0, timeout=window + 1)
    try:
        count = cache.incr(key)
    except ValueError:  # it expired between the two
        return 0.0
    is_over = count is not None and count > most  # None: Redis is not reachable
    return window - now % window if is_over else 0.0


def login_retry_after(request: Any, account: str) -> float:
    """As `retry_after`, of one guess at a password: at this account, and at any from there.

    Every form that logs somebody in asks here, so that no door takes more guesses than another.
    """
    address = client_address(request)
    at_account = retry_after("password", address, account.strip().lower())
    return max(at_account, retry_after("login", address))


def client_address(request: Any) -> str:
    """The address that the nearest trusted proxy saw, or the connection's own.

    What is further left in X-Forwarded-For anybody may have written. IPv6: the /64 network, which
    is what one subscriber has.
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


def _client(request: Any) -> str:
    """Whom a request counts for: members by id, others by address."""
    user = request.user
    return str(user.pk) if user and user.is_authenticated else client_address(request)


def throttled(scope: str, *, reads: bool = False) -> Callable[[Callable[..., HttpResponse]], Any]:
    """Decorates a page that counts together with the API's views of the same `throttle_scope`.

    reads: GET, too, as `throttle_reads` says there.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Any:
        @wraps(view)
        def limited(request: PageRequest, **route: Any) -> HttpResponse:
            if request.method in ("GET", "HEAD") and not reads:
                return view(request, **route)
            wait = retry_after(scope, _client(request))
            return _too_many(request, wait) if wait else view(request, **route)

        return limited

    return decorate


def _too_many(request: PageRequest, wait: float) -> HttpResponse:
    minutes = math.ceil(wait / 60)
    text = ngettext("Please go on in a minute.", "Please go on in %(number)s minutes.", minutes)
    page = {"advice": text % {"number": minutes}}
    template = "_too_many.html" if request.htmx else "429.html"
    response = render(request, template, page, status=Overloaded.status)
    response.headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return response


class _Throttle(BaseThrottle):
    _wait = 0.0

    def wait(self) -> float | None:
        return max(1, math.ceil(self._wait))


def is_throttled(view: Any, method: str | None) -> bool:
    """Whether `SharedScopeThrottle` counts it: what changes something, or computes much.

    Views say of the latter that they `throttle_reads`.
    """
    reads = method in ("GET", "HEAD") and not getattr(view, "throttle_reads", False)
    return hasattr(view, "throttle_scope") and method != "OPTIONS" and not reads


class SharedScopeThrottle(_Throttle):
    """By the view's `throttle_scope`, if it has one."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not is_throttled(view, request.method):
            return True
        self._wait = retry_after(view.throttle_scope, _client(request))
        return not self._wait


class AccountThrottle(_Throttle):
    """Guesses at one account from one address, which `throttle_scope` alone would allow more of."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return True
        fields = request.data if isinstance(request.data, Mapping) else {}
        account = str(fields.get("emailOrPhone", "")).strip().lower()
        if request.user and request.user.is_authenticated:
            account = str(request.user.pk)
        self._wait = retry_after("password", client_address(request), account)
        return not self._wait
