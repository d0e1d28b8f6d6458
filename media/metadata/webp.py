"""WebP files. Source: RFC 9649."""

import struct
from collections.abc import Iterator

from media.icc import reduce_profile

_PICTURE = (b"VP8 ", b"VP8L")
_PROFILE_FLAG, _ALPHA_FLAG, _ANIMATION_FLAG = 0x20, 0x10, 0x02
_MAX_CHUNKS = 20_000
_FRAME_HEAD = 16  # bytes


def strip_webp(data: bytes) -> bytes:
    end = min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    chunks: dict[bytes, bytes] = {}  # the first one of each type
    frames: list[bytes] = []
    for chunk_type, content in _read_chunks(data, 12, end):
        if chunk_type == b"ANMF":
            frames.append(_chunk(chunk_type, _strip_frame(content)))
        else:
            chunks.setdefault(chunk_type, content)
    body = b"WEBP" + b"".join(_picture_chunks(chunks, frames))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _picture_chunks(chunks: dict[bytes, bytes], frames: list[bytes]) -> Iterator[bytes]:
    extended = chunks.get(b"VP8X")
    still = _select(chunks, *_PICTURE)[:1]
    if extended is None:
        yield from still
        return
    profile = reduce_profile(chunks.get(b"ICCP", b""))
    flags = extended[0] & (_ALPHA_FLAG | _ANIMATION_FLAG) | (_PROFILE_FLAG if profile else 0)
    yield _chunk(b"VP8X", bytes([flags, 0, 0, 0]) + extended[4:10])
    if profile:
        yield _chunk(b"ICCP", profile)
    if flags & _ANIMATION_FLAG:
        yield _chunk(b"ANIM", chunks.get(b"ANIM", bytes(6))[:6])
        yield from frames
        return
    yield from _select(chunks, b"ALPH")
    yield from still


def _strip_frame(content: bytes) -> bytes:
    chunks = dict(reversed(list(_read_chunks(content, _FRAME_HEAD, len(content)))))
    return content[:_FRAME_HEAD] + b"".join(_select(chunks, b"ALPH", *_PICTURE))


def _select(chunks: dict[bytes, bytes], *chunk_types: bytes) -> list[bytes]:
    return [_chunk(each, chunks[each]) for each in chunk_types if each in chunks]


def _read_chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    for _ in range(_MAX_CHUNKS):
        if at + 8 > end:
            return
        chunk_type, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > end:
            raise ValueError("A WebP chunk reaches past the end of the file")
        yield chunk_type, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise ValueError("The WebP has too many chunks")


def _chunk(chunk_type: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", chunk_type, len(content)) + content + bytes(len(content) % 2)
