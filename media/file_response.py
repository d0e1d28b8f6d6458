"""Responses with a stored file: whole, one range of it, or "not modified" (RFC 9110).

Files are read in chunks on a thread, so that a large file neither fills the memory nor blocks the
event loop.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import PurePath

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, quote_etag

CHUNK_SIZE = 256 * 1024  # bytes
_RANGE = re.compile(
    r"bytes=(\d{0,18})-(\d{0,18})"
)  # a server may ignore requests for several ranges


def file_response(
    request: HttpRequest, name: str, *, content_type: str, inline: bool
) -> HttpResponseBase:
    """Return a file of the storage. inline: shown by browsers, else downloaded.

    Raises FileNotFoundError.
    """
    size = default_storage.size(name)
    modified = int(default_storage.get_modified_time(name).timestamp())
    etag = quote_etag(f"{modified:x}-{size:x}")
    response: HttpResponseBase | None = get_conditional_response(request, etag, modified)
    if response is None:
        requested = _requested_range(request, size, validators={etag, http_date(modified)})
        response = _build_response(request, name, size, requested, content_type)
        if not inline:
            response["Content-Disposition"] = f'attachment; filename="{PurePath(name).name}"'
    response["ETag"] = etag
    response["Last-Modified"] = http_date(modified)
    response["Accept-Ranges"] = "bytes"
    return response


def _requested_range(request: HttpRequest, size: int, validators: set[str]) -> range | None:
    """Return the requested bytes: empty if the file has none of them, None for the whole file.

    validators: values of `If-Range` for which a range may be sent.
    """
    match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    condition = request.headers.get("If-Range")
    if match is None or (condition and condition not in validators):
        return None
    first, last = match.groups()
    if first:
        if last and int(last) < int(first):
            return None
        return range(int(first), min(int(last) + 1, size) if last else size)
    return range(max(0, size - int(last)), size) if last else None


def _build_response(
    request: HttpRequest, name: str, size: int, requested: range | None, content_type: str
) -> HttpResponseBase:
    if requested is not None and not requested:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    span = range(size) if requested is None else requested
    response: HttpResponseBase = HttpResponse(content_type=content_type)
    if request.method != "HEAD" and span:
        if not connection.in_atomic_block:
            connection.close()  # a slow client must not hold a connection of the pool
        response = _FileStream(default_storage.open(name), span, content_type)
    response["Content-Length"] = str(len(span))
    if requested is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {requested.start}-{requested.stop - 1}/{size}"
    return response


class _FileStream(StreamingHttpResponse):
    """A streamed file. Under ASGI, Django's FileResponse reads the whole file before sending it."""

    def __init__(self, file: File, span: range, content_type: str) -> None:
        file.seek(span.start)
        self._file = file
        self._remaining = len(span)
        super().__init__(self._chunks(), content_type=content_type)

    def _read(self) -> bytes:
        data: bytes = self._file.read(min(CHUNK_SIZE, self._remaining))
        self._remaining -= len(data)
        return data

    def _chunks(self) -> Iterator[bytes]:
        while data := self._read():
            yield data

    def close(self) -> None:
        super().close()
        self._file.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await asyncio.to_thread(self._read):
            yield data
