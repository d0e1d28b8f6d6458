"""What is too large is refused before it is read, as a server speaks to the site (ASGI)."""

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.conf import settings

from smimso.asgi import application

MOST = 105 * 1024 * 1024  # bytes; docs say so to whoever sets up a proxy
TOO_LARGE = "The request is too large"


@async_to_sync
async def post(*headers: tuple[bytes, bytes], body: bytes | None = None) -> tuple[Any, Any]:
    """The answer's start and its JSON; without `body`, nothing is sent but the headers."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/api/auth/login",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), *headers],
    }
    talk = ApplicationCommunicator(application, scope)
    if body is not None:
        await talk.send_input({"type": "http.request", "body": body})
    start = await talk.receive_output(60)
    answer = (await talk.receive_output(60))["body"]
    await talk.wait(60)
    return start, json.loads(answer)


@pytest.mark.parametrize(
    ("header", "status", "text"),
    [
        ((b"content-length", str(MOST + 1).encode()), 413, TOO_LARGE),
        ((b"content-length", b"9" * 30), 413, TOO_LARGE),
        ((b"transfer-encoding", b"chunked"), 411, "The request does not say its length"),
    ],
)
def test_such_a_body_is_not_waited_for(header: Any, status: int, text: str) -> None:
    start, body = post(header)
    assert start["status"] == status
    assert body == {"success": False, "error": text, "message": text}
    assert (b"Connection", b"close") in start["headers"]


@pytest.mark.django_db
def test_any_other_body_is_read() -> None:
    assert settings.REQUEST_MAX_BYTES == MOST
    start, body = post((b"content-length", str(MOST).encode()), body=b"{}")
    assert (start["status"], body["error"]) == (413, TOO_LARGE)  # for JSON it is too large
    start, body = post((b"content-length", b"2"), body=b"{}")
    assert (start["status"], body["error"]) == (400, "Email/Phone and password are required")
