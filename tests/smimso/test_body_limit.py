"""Rejection of large bodies before they are read, at the ASGI interface."""

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.conf import settings

from smimso.asgi import application

MAX_BYTES = 105 * 1024 * 1024  # documented for the configuration of proxies
TOO_LARGE = "The request is too large"


@async_to_sync
async def post(*headers: tuple[bytes, bytes], body: bytes | None = None) -> tuple[Any, Any]:
    """Return the response's start and its JSON; without `body`, only headers are sent."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/api/auth/login",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), *headers],
    }
    communicator = ApplicationCommunicator(application, scope)
    if body is not None:
        await communicator.send_input({"type": "http.request", "body": body})
    start = await communicator.receive_output(60)
    response = (await communicator.receive_output(60))["body"]
    await communicator.wait(60)
    return start, json.loads(response)


@pytest.mark.parametrize(
    ("header", "status", "text"),
    [
        ((b"content-length", str(MAX_BYTES + 1).encode()), 413, TOO_LARGE),
        ((b"content-length", b"9" * 30), 413, TOO_LARGE),
        ((b"transfer-encoding", b"chunked"), 411, "The request does not say its length"),
    ],
)
def test_a_large_body_is_rejected_without_being_read(header: Any, status: int, text: str) -> None:
    start, body = post(header)
    assert start["status"] == status
    assert body == {"success": False, "error": text, "message": text}
    assert (b"Connection", b"close") in start["headers"]


@pytest.mark.django_db
def test_other_bodies_are_read() -> None:
    assert settings.REQUEST_MAX_BYTES == MAX_BYTES
    start, body = post((b"content-length", str(MAX_BYTES).encode()), body=b"{}")
    assert (start["status"], body["error"]) == (413, TOO_LARGE)  # the limit for JSON is lower
    start, body = post((b"content-length", b"2"), body=b"{}")
    assert (start["status"], body["error"]) == (400, "Email/Phone and password are required")
