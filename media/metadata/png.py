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
        length, kind = struct.unpack_from(">I4s", data, at)
        start, at = at + 8, at + 12 + length
        if at > len(data):
            raise ValueError("A PNG chunk reaches past the end of the file")
        content = _rebuild(kind, data[start : start + length], header)
        if content is not None and (kind in _REPEATED or kind not in seen):
            parts.append(_chunk(kind, content))
            seen.add(kind)
        if kind == b"IHDR":
            header = header or data[start : start + length]
        elif kind == b"IEND":
            return b"".join(parts)
    raise ValueError("The PNG has too many chunks")


def _rebuild(kind: bytes, content: bytes, header: bytes) -> bytes | None:
    """Return what the picture needs of a chunk; None if it needs nothing. header: of the IHDR."""
    if kind in (b"IDAT", b"fdAT"):
        return content
    if kind == b"iCCP":
        return _rebuild_profile(content)
    if kind in (b"PLTE", b"tRNS"):
        bit_depth, color_type = header[8:10]
        if kind == b"tRNS":
            return content[: _TRANSPARENCY_SIZES.get(color_type, 0)] or None
        # The palette of a true-color picture is only a suggestion.
        return content[: 3 << bit_depth] if color_type == _PALETTE else None
    return content if len(content) in _SIZES.get(kind, ()) else None


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _rebuild_profile(content: bytes) -> bytes | None:
    compressed = content.partition(b"\0")[2][1:]
    try:
        profile = zlib.decompressobj().decompress(compressed, MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return None
    reduced = reduce_profile(profile)
    return None if reduced is None else b"ICC\0\0" + zlib.compress(reduced)
