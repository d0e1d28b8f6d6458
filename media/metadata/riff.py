"""WAV, AVI and AIFF files. Sources: RIFF (Microsoft, IBM), OpenDML 1.02, AIFF 1.3.

Files of RIFF keep their length and all offsets: other chunks become `JUNK` of zeros.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_MAX_CHUNKS = 200_000  # a film of an hour has 108,000 frames, each in a chunk
_LISTS: dict[bytes, set[bytes]] = {  # with the chunks that they keep
    b"WAVE": {b"fmt ", b"fact", b"data"},
    b"AVI ": {b"hdrl", b"movi", b"idx1"},
    b"AVIX": {b"movi", b"idx1"},
    b"hdrl": {b"avih", b"strl", b"odml"},
    b"odml": {b"dmlh"},
    b"strl": {b"strh", b"strf", b"indx", b"vprp"},
    b"movi": {b"rec "},
    b"rec ": set(),
}
_AVI_MEDIA = (b"dc", b"db", b"wb", b"pc")  # of a stream, after two digits: video, audio, palette
_AIFF = (b"COMM", b"FVER", b"SSND")


class _Chunk(NamedTuple):
    type: bytes  # that of a list is the type of the list
    start: int
    body: int
    end: int


def strip_riff(data: bytes) -> bytes:
    out = bytearray(data)
    end = 0
    for chunk in _read_chunks(out, 0, len(out)):
        if out[chunk.start : chunk.start + 4] != b"RIFF" or chunk.type not in _LISTS:
            break
        _clean(out, chunk)
        end = chunk.end
    if not end:
        raise ValueError("The RIFF file is neither WAVE nor AVI")
    return bytes(out[:end])


def strip_aiff(data: bytes) -> bytes:
    end = min(len(data), 8 + struct.unpack_from(">I", data, 4)[0])
    chunks = {chunk.type: chunk for chunk in _read_chunks(data, 12, end, ">")}
    body = data[8:12]
    for chunk_type in _AIFF:
        if chunk_type in chunks:
            content = data[chunks[chunk_type].start : chunks[chunk_type].end]
            body += content + bytes(len(content) % 2)
    return b"FORM" + struct.pack(">I", len(body)) + body


def _clean(out: bytearray, parent: _Chunk) -> None:
    is_media = parent.type in (b"movi", b"rec ")
    for chunk in list(_read_chunks(out, parent.body, parent.end)):
        is_of_stream = is_media and (chunk.type[2:] in _AVI_MEDIA or chunk.type[:2] == b"ix")
        if not is_of_stream and chunk.type not in _LISTS[parent.type]:
            out[chunk.start : chunk.start + 4] = b"JUNK"
            out[chunk.start + 8 : chunk.end] = bytes(chunk.end - chunk.start - 8)
        elif chunk.type in _LISTS:
            _clean(out, chunk)


def _read_chunks(data: bytes | bytearray, at: int, end: int, order: str = "<") -> Iterator[_Chunk]:
    """Yield the chunks between two offsets; the last one may be cut off, or have no size yet."""
    for _ in range(_MAX_CHUNKS):
        if at + 8 > end:
            return
        chunk_type, size = struct.unpack_from(f"{order}4sI", data, at)
        body, chunk_end = at + 8, min(at + 8 + size, end)
        if chunk_type in (b"RIFF", b"LIST"):
            chunk_type, body = bytes(data[body : body + 4]), body + 4
        if body > chunk_end:
            raise ValueError("A list ends early")
        yield _Chunk(chunk_type, at, body, chunk_end)
        at = min(chunk_end + size % 2, end)
    raise ValueError("There are too many chunks")
