"""The outermost middleware: what browsers and the frontend's URLs need before any route."""

import codecs
import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed

from smimso.web.responses import fill_method_not_allowed

_CHARSETS = {"utf-8", "ascii", "iso8859-1"}
_SLASHES = re.compile(r"/{2,}")
# Fetched by pages of any origin; neither reads a cookie.
_CORS = re.compile("access-control-|vary$", re.IGNORECASE)
_OPEN_TO_ALL = re.compile(r"/uploads/|/(api/)?notifications/stream$")


def request_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Duplicate slashes collapse (a base URL that ends in one); OPTIONS succeeds on every path."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        _check_charset(request)
        _collapse_slashes(request)
        return _finished(request, get_response(request))

    return answer


def _check_charset(request: HttpRequest) -> None:
    """Django decodes bodies and queries by what the request names: "hex" or "idna", too."""
    if request.encoding and codecs.lookup(request.encoding).name not in _CHARSETS:
        raise BadRequest("Unsupported charset")


def _collapse_slashes(request: HttpRequest) -> None:
    request.path_info = _SLASHES.sub("/", request.path_info)
    request.path = _SLASHES.sub("/", request.path)


def _finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if request.method == "OPTIONS" and "Access-Control-Request-Method" not in request.headers:
        kept = {name: value for name, value in response.items() if _CORS.match(name)}
        response = HttpResponse(status=204, headers=kept)
    if isinstance(response, HttpResponseNotAllowed):
        fill_method_not_allowed(request, response)
    if _OPEN_TO_ALL.match(request.path_info):
        response["Access-Control-Allow-Origin"] = "*"
    return response
