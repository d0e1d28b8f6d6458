"""The key that identifies a request to create something, so that a retry creates nothing more."""

from django.http import HttpRequest
from django.utils.crypto import get_random_string
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from smimso.errors import InvalidInput

MAX_LENGTH = 255  # characters
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": MAX_LENGTH},
    OpenApiParameter.HEADER,
    description="A request with the same key and content returns what the first one created, for a"
    " day. Without a key, the same content counts as a retry for a short time.",
)


def idempotency_key(request: Request) -> str:
    """Return the header `Idempotency-Key`, or "". Raises InvalidInput if it is too long."""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > MAX_LENGTH:
        raise InvalidInput("idempotency_key_too_long")
    return key


def new_form_key() -> str:
    """Return a key for the hidden field `request_key` of a form.

    Sending the form twice then creates one thing; opening the page again allows another one.
    """
    return get_random_string(32)


def form_key(request: HttpRequest) -> str:
    return request.POST.get("request_key", "")[:MAX_LENGTH]
