"""Limits for the size of a request's body and the time it takes, enforced while it is read."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import IO, Any

from django.conf import settings

from smimso.errors import InvalidInput, SmimsoError, TooLarge, TooSlow
from smimso.web.responses import error_response

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

PATIENCE_SECONDS = 60.0  # for a body of any size, plus the time that it takes at this rate:
MIN_BYTES_PER_SECOND = 4096
LINGER_SECONDS = 1.0
_LENGTH_DIGITS = 20


def limit_body(scope: Mapping[str, Any], receive: Receive) -> Receive:
    """Return the ASGI `receive` of a request with the limits.

    Raises TooLarge at once for a declared length above the limit, and InvalidInput for one that is
    no number. The result raises TooLarge as soon as more bytes have arrived, and TooSlow.
    """
    headers = dict(scope["headers"])
    max_bytes = _max_bytes(headers)
    _check_length(headers.get(b"content-length") or b"0", max_bytes)
    clock = asyncio.get_running_loop().time
    started, received, is_complete = clock(), 0, False

    async def receive_part() -> Mapping[str, Any]:
        nonlocal received, is_complete
        if is_complete:  # the next message is about the connection
            return await receive()
        deadline = started + PATIENCE_SECONDS + received / MIN_BYTES_PER_SECOND
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise TooSlow from error
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise TooLarge
        is_complete = not message.get("more_body", False)
        return message

    return receive_part


def _max_bytes(headers: Mapping[bytes, bytes]) -> int:
    """Return the limit: only forms with files may be large."""
    content_type = headers.get(b"content-type", b"").strip().lower()
    is_upload = content_type.startswith(b"multipart/form-data")
    return settings.REQUEST_MAX_BYTES if is_upload else settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def _check_length(length: bytes, max_bytes: int) -> None:
    if not length.isdigit():
        raise InvalidInput
    if len(length) > _LENGTH_DIGITS or int(length) > max_bytes:
        raise TooLarge


def declare_length(scope: Mapping[str, Any], body: IO[bytes]) -> Mapping[str, Any]:
    """Return the scope of a request with the length of a body that came in chunks.

    Parsers read no more than the length that a request declares.
    """
    headers = dict(scope["headers"])
    if b"transfer-encoding" not in headers:
        return scope
    body.seek(0, 2)
    length = str(body.tell()).encode()
    body.seek(0)
    # The chunks count, whatever length is declared besides (RFC 9112, section 6.3).
    rest = [header for header in scope["headers"] if header[0] != b"content-length"]
    return {**scope, "headers": [*rest, (b"content-length", length)]}


async def refuse(error: SmimsoError, receive: Receive, send: Send) -> None:
    """Send the error and close the connection, instead of waiting for the rest of the body.

    For a moment, what the client is still sending is read and dropped: a connection that is closed
    with unread data is reset, and then many clients never see the response.
    """
    response = error_response(error)
    headers = {**response.headers, "Content-Length": len(response.content), "Connection": "close"}
    lines = [(name.encode(), str(value).encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": lines})
    await send({"type": "http.response.body", "body": response.content, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
