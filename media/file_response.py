"""A stored file as an answer: whole, one range of it, or "not modified" (RFC 9110).

Read in pieces on a thread, so that neither memory nor the event loop feels a large file.
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
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")  # several ranges at once may be ignored


def file_response(
    request: HttpRequest, name: str, *, content_type: str, inline: bool
) -> HttpResponseBase:
    """Raises FileNotFoundError."""
    size = default_storage.size(name)
    modified = int(default_storage.get_modified_time(name).timestamp())
    etag = quote_etag(f"{modified:x}-{size:x}")
    response: HttpResponseBase | None = get_conditional_response(request, etag, modified)
    if response is None:
        asked = _requested_range(request, size, fresh={etag, http_date(modified)})
        response = _build_response(request, name, size, asked, content_type)
        if not inline:
            response["Content-Disposition"] = f'attachment; filename="{PurePath(name).name}"'
    response["ETag"] = etag
    response["Last-Modified"] = http_date(modified)
    response["Accept-Ranges"] = "bytes"
    return response


def _requested_range(request: HttpRequest, size: int, fresh: set[str]) -> range | None:
    """The bytes asked for; empty when the file has none of them, None when all are."""
    match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    condition = request.headers.get("If-Range")
    if match is None or (condition and condition not in fresh):
        return None
    first, last = match.groups()
    if first:
        if last and int(last) < int(first):
            return None
        return range(int(first), min(int(last) + 1, size) if last else size)
    return range(max(0, size - int(last)), size) if last else None


def _build_response(
    request: HttpRequest, name: str, size: int, asked: range | None, content_type: str
) -> HttpResponseBase:
    if asked is not None and not asked:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    span = range(size) if asked is None else asked
    response: HttpResponseBase = HttpResponse(content_type=content_type)
    if request.method != "HEAD" and span:
        if not connection.in_atomic_block:
            connection.close()  # a slow reader must not keep one of the pool's
        response = _FileStream(default_storage.open(name), span, content_type)
    response["Content-Length"] = str(len(span))
    if asked is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{size}"
    return response


class _FileStream(StreamingHttpResponse):
    """Django's own FileResponse is read as a whole before it is sent under ASGI."""

    def __init__(self, file: File, span: range, content_type: str) -> None:
        file.seek(span.start)
        self._file = file
        self._left = len(span)
        super().__init__(self._pieces(), content_type=content_type)

    def _read(self) -> bytes:
        data: bytes = self._file.read(min(CHUNK_SIZE, self._left))
        self._left -= len(data)
        return data

    def _pieces(self) -> Iterator[bytes]:
        while data := self._read():
            yield data

    def close(self) -> None:
        super().close()
        self._file.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await asyncio.to_thread(self._read):
            yield data
