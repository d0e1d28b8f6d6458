"""Request middleware: malformed values, slashes, OPTIONS, CORS of public routes, time zone."""

import codecs
import re
import zoneinfo
from collections.abc import Callable
from functools import cache

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.utils import timezone

from smimso.web.malformed import MALFORMED, check_cookies
from smimso.web.responses import bad_request_for, fill_method_not_allowed

GetResponse = Callable[[HttpRequest], HttpResponseBase]

TIME_ZONE_COOKIE = "time_zone"  # static/js/site.js sets it

_CHARSETS = {"utf-8", "ascii", "iso8859-1"}
_SLASHES = re.compile(r"/{2,}")
_CORS = re.compile("access-control-|vary$", re.IGNORECASE)
# Routes that pages of any origin may fetch; none of them reads a cookie.
_PUBLIC_ROUTES = re.compile(r"/uploads/|/(api/)?notifications/stream$")


def request_middleware(get_response: GetResponse) -> GetResponse:
    """Normalize requests before any route, and finish the responses to OPTIONS and wrong methods.

    The frontend's base URL may end in a slash: duplicate slashes collapse.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        _check_charset(request)
        check_cookies(request)
        _collapse_slashes(request)
        return _finish_response(request, get_response(request))

    def process_exception(request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer a value that a page had not checked with 400."""
        return bad_request_for(request, error) if isinstance(error, MALFORMED) else None

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware


def time_zone_middleware(get_response: GetResponse) -> GetResponse:
    """Activate the time zone that the reader's browser names in a cookie, else the site's.

    Pages show times in it, and days of filters begin in it. REST answers times in UTC.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        name = request.COOKIES.get(TIME_ZONE_COOKIE, "")
        with timezone.override(zoneinfo.ZoneInfo(name) if name in _known_zones() else None):
            return get_response(request)

    return middleware


@cache
def _known_zones() -> frozenset[str]:
    """Return the names that browsers use: of the form Area/Place, and UTC."""
    return frozenset(name for name in zoneinfo.available_timezones() if "/" in name) | {"UTC"}


def _check_charset(request: HttpRequest) -> None:
    """Raise BadRequest for a charset such as "hex" or "idna", with which Django would decode."""
    if request.encoding and codecs.lookup(request.encoding).name not in _CHARSETS:
        raise BadRequest("Unsupported charset")


def _collapse_slashes(request: HttpRequest) -> None:
    request.path_info = _SLASHES.sub("/", request.path_info)
    request.path = _SLASHES.sub("/", request.path)


def _finish_response(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if request.method == "OPTIONS" and "Access-Control-Request-Method" not in request.headers:
        cors = {name: value for name, value in response.items() if _CORS.match(name)}
        response = HttpResponse(status=204, headers=cors)
    if isinstance(response, HttpResponseNotAllowed):
        fill_method_not_allowed(request, response)
    if _PUBLIC_ROUTES.match(request.path_info):
        response["Access-Control-Allow-Origin"] = "*"
    return response
