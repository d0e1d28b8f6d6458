"""Lossless removal of private metadata (EXIF with GPS, XMP, IPTC, comments) from image files.

The file is copied without the segments that decoding does not need, so the pixels stay as the
author uploaded them. Data after the end of the image is dropped as well. Sources: ITU-T T.81 annex
B (JPEG), PNG (W3C, third edition), RIFF container of WebP, GIF89a. The input must be an image that
decodes; `ValueError` is raised if its structure is invalid.
"""

import re
import struct
from collections.abc import Callable

_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # skips stuffed bytes and restart markers
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_JPEG_APPLICATION = {  # size and color; others hold descriptions or further pictures
    0xE0: b"JFIF\0",
    0xE2: b"ICC_PROFILE\0",
    0xEE: b"Adobe",
}
_PNG_PICTURE = {
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"hIST", b"sPLT", b"pHYs"),
    *(b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI"),
    *(b"acTL", b"fcTL", b"fdAT"),  # animation
}
_WEBP_PICTURE = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
_WEBP_EXIF_FLAG, _WEBP_XMP_FLAG = 0x08, 0x04
_GIF_LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def strip_metadata(data: bytes, image_format: str) -> bytes:
    """Return a file of format JPEG, PNG, WEBP or GIF without its metadata. Raises ValueError."""
    try:
        return _STRIP[image_format](data)
    except (IndexError, struct.error) as error:
        raise ValueError("The image file ends early") from error


def _strip_jpeg(data: bytes) -> bytes:
    parts = [data[:2]]
    at = 2
    while True:
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if data[at] != 0xFF:
            raise ValueError("A JPEG marker was expected")
        marker = data[at + 1]
        if marker == _JPEG_END:
            return b"".join([*parts, data[at : at + 2]])
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == _JPEG_SCAN:
            following = _JPEG_MARKER.search(data, end)
            if following is None:
                raise ValueError("The JPEG has no end")
            end = following.start()
        if _is_jpeg_picture(marker, data[at + 4 : at + 16]):
            parts.append(data[at:end])
        at = end


def _is_jpeg_picture(marker: int, head: bytes) -> bool:
    if marker in _JPEG_APPLICATION:
        return head.startswith(_JPEG_APPLICATION[marker])
    return 0xC0 <= marker <= 0xDF  # frames, tables and scans


def _strip_png(data: bytes) -> bytes:
    parts = [data[:8]]
    at = 8
    while True:
        length, chunk_type = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("A PNG chunk reaches past the end of the file")
        if chunk_type in _PNG_PICTURE:
            parts.append(data[at:end])
        if chunk_type == b"IEND":
            return b"".join(parts)
        at = end


def _strip_webp(data: bytes) -> bytes:
    riff_end = min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    parts = []
    at = 12
    while at + 8 <= riff_end:
        chunk_type, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + length % 2
        chunk = data[at:end]
        if chunk_type == b"VP8X":
            flags = chunk[8] & ~(_WEBP_EXIF_FLAG | _WEBP_XMP_FLAG)
            chunk = chunk[:8] + bytes([flags]) + chunk[9:]
        if chunk_type in _WEBP_PICTURE:
            parts.append(chunk)
        at = end
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _strip_gif(data: bytes) -> bytes:
    at = 13 + _color_table_size(data[10])
    parts = [data[:at]]
    while data[at] != 0x3B:
        start = at
        if data[at] == 0x2C:  # image: descriptor, color table, code size, data
            at += 11 + _color_table_size(data[at + 9])
            keep = True
        elif data[at] == 0x21:
            # 0xF9: timing and transparency; 0xFF: application data; only looping is kept
            label, application = data[at + 1], data[at + 3 : at + 14]
            keep = label == 0xF9 or (label == 0xFF and application in _GIF_LOOPING)
            at += 2
        else:
            raise ValueError("An unknown GIF block")
        while data[at]:
            at += data[at] + 1
        at += 1
        if keep:
            parts.append(data[start:at])
    return b"".join([*parts, b"\x3b"])


def _color_table_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


_STRIP: dict[str, Callable[[bytes], bytes]] = {
    "JPEG": _strip_jpeg,
    "PNG": _strip_png,
    "WEBP": _strip_webp,
    "GIF": _strip_gif,
}
