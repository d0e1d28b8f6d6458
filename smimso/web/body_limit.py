"""The limit for request bodies, checked before Django reads a body and stores it in a file."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from smimso.errors import LengthRequired, SmimsoError, TooLarge
from smimso.web.responses import error_response


def reject_large_body(scope: Mapping[str, Any]) -> HttpResponse | None:
    """Return the error response to an ASGI request with a body of excessive or unknown size."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return _error_and_close(LengthRequired())
    if int(headers.get(b"content-length") or 0) > settings.REQUEST_MAX_BYTES:
        return _error_and_close(TooLarge())
    return None


def _error_and_close(error: SmimsoError) -> HttpResponse:
    """Return the error; the connection is closed instead of waiting for the rest of the body."""
    response = error_response(error)
    response.headers["Connection"] = "close"
    return response
