"""The largest body that is read at all: Django writes whatever comes to a file before it looks."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from smimso.errors import LengthRequired, SmimsoError, TooLarge
from smimso.web.responses import error_response


def check_body_size(scope: Mapping[str, Any]) -> HttpResponse | None:
    """The answer to a request (ASGI) whose body is too large, or does not say how large it is."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return _closing(LengthRequired())
    if int(headers.get(b"content-length") or 0) > settings.REQUEST_MAX_BYTES:
        return _closing(TooLarge())
    return None


def _closing(error: SmimsoError) -> HttpResponse:
    """The rest of the body is not waited for."""
    response = error_response(error)
    response.headers["Connection"] = "close"
    return response
