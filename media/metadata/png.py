"""PNG files. Source: PNG (W3C, third edition)."""

import struct
import zlib

from media.icc import MAX_PROFILE_BYTES, reduce_profile

_SIGNATURE_SIZE = 8
_MAX_CHUNKS = 100_000  # compressed pixels come in pieces of 8 kB
_REPEATED = {b"IDAT", b"fcTL", b"fdAT"}
_SIZES = {  # bytes; chunks of other sizes are broken
    **{b"IHDR": {13}, b"IEND": {0}, b"gAMA": {4}, b"cHRM": {32}, b"sRGB": {1}, b"cICP": {4}},
    **{b"mDCV": {24}, b"cLLI": {8}, b"sBIT": {1, 2, 3, 4}, b"pHYs": {9}},
    **{b"acTL": {8}, b"fcTL": {26}},  # animation
}
_PALETTE = 3  # color type
_TRANSPARENCY_SIZES = {0: 2, 2: 6, _PALETTE: 256}  # maximum by color type


def strip_png(data: bytes) -> bytes:
    parts = [data[:_SIGNATURE_SIZE]]
    header = b""
    seen: set[bytes] = set()
    at = _SIGNATURE_SIZE
    for _ in range(_MAX_CHUNKS):
        length, chunk_type = struct.unpack_from(">I4s", data, at)
        start, at = at + 8, at + 12 + length
        if at > len(data):
            raise ValueError("A PNG chunk reaches past the end of the file")
        content = _rebuild(chunk_type, data[start : start + length], header)
        if content is not None and (chunk_type in _REPEATED or chunk_type not in seen):
            parts.append(_chunk(chunk_type, content))
            seen.add(chunk_type)
        if chunk_type == b"IHDR":
            header = header or data[start : start + length]
        elif chunk_type == b"IEND":
            return b"".join(parts)
    raise ValueError("The PNG has too many chunks")


def _rebuild(chunk_type: bytes, content: bytes, header: bytes) -> bytes | None:
    """Return what the picture needs of a chunk; None if it needs nothing. header: of the IHDR."""
    if chunk_type in (b"IDAT", b"fdAT"):
        return content
    if chunk_type == b"iCCP":
        return _rebuild_profile(content)
    if chunk_type in (b"PLTE", b"tRNS"):
        bit_depth, color_type = header[8:10]
        if chunk_type == b"tRNS":
            return content[: _TRANSPARENCY_SIZES.get(color_type, 0)] or None
        # The palette of a true-color picture is only a suggestion.
        return content[: 3 << bit_depth] if color_type == _PALETTE else None
    return content if len(content) in _SIZES.get(chunk_type, ()) else None


def _chunk(chunk_type: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(chunk_type + content)
    return struct.pack(">I", len(content)) + chunk_type + content + struct.pack(">I", checksum)


def _rebuild_profile(content: bytes) -> bytes | None:
    compressed = content.partition(b"\0")[2][1:]
    try:
        profile = zlib.decompressobj().decompress(compressed, MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return None
    reduced = reduce_profile(profile)
    return None if reduced is None else b"ICC\0\0" + zlib.compress(reduced)
