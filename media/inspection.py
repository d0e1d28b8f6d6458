"""Limits that a file must keep before its pixels are decoded, read from its structure alone.

A few bytes can ask for much work: empty scans of a JPEG, frames of one pixel, strips of a TIFF. The
limits are far above real files. What they do not foresee is stopped by the limits of time and
memory of `media.decoder_pool`.
"""

import re
import struct
from collections.abc import Callable, Iterator

from media.limits import RefusedImage

MAX_SCANS = 100  # progressive JPEGs of cameras and editors have 1 to 20
MAX_JPEG_SEGMENTS = 20_000  # an ICC profile of the maximum size has 255
MAX_FRAMES = 5_000  # of an animation: three minutes of 30 frames per second
MAX_ANIMATION_PIXELS = 2**33  # canvas times frames: 5,000 frames of 1,600 x 1,000
MAX_PNG_CHUNKS = 50_000  # 10 MB in chunks of 8 kB are 1,300
MAX_GIF_BLOCKS = 500_000  # 10 MB in blocks of 255 bytes are 40,000
MAX_TIFF_PARTS = 100_000  # strips or tiles, and other values of one field that Pillow loops over
MAX_TIFF_FIELDS = 1_000
MAX_RUN_LENGTH_BYTES = 2**20  # Pillow decodes run lengths of a BMP in Python, 1.5 s per megabyte
_TIFF_PARTS = (273, 279, 324, 325)  # offsets and sizes of strips and of tiles
_SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_SOS, _EOI = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # no stuffed byte, no restart
_WITHOUT_BODY = (0x01, 0xD8)


def inspect(data: bytes, image_format: str) -> None:
    """Raise RefusedImage if decoding the file may take excessive work."""
    check = _CHECKS.get(image_format)
    if check is not None:
        try:
            check(data)
        except (IndexError, struct.error):  # it ends early; decoding it tells how much is missing
            return


def has_all_scans(data: bytes) -> bool:
    """Return True if each coefficient of a JPEG has a scan with its last bit (T.81, annex G).

    A progressive file that was cut shows the whole picture, but a blurred one.
    """
    try:
        return not _missing_coefficients(data)
    except IndexError:  # a segment is too short for its values
        return False


def _missing_coefficients(data: bytes) -> set[tuple[int, int]]:
    """Return the coefficients (component, position in zigzag order) that lack their last bit."""
    missing: set[tuple[int, int]] = {(-1, -1)}  # until the frame names the components
    for marker, body in jpeg_segments(data):
        if marker in _SOF:
            components = {body[6 + 3 * n] for n in range(body[5])}
            missing = {(component, at) for component in components for at in range(64)}
        if marker == _SOS:
            of_scan = {body[1 + 2 * n] for n in range(body[0])}
            first, last, precision = body[-3], body[-2], body[-1] & 15
            if precision == 0:
                missing -= {(name, at) for name in of_scan for at in range(first, last + 1)}
    return missing


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the body of each segment up to the end of the image.

    Like libjpeg, skip bytes between segments that are no marker.
    """
    at = 2
    while (match := _MARKER.search(data, at)) is not None:
        marker, at = data[match.end() - 1], match.end()
        if marker == _EOI:
            return
        if marker not in _WITHOUT_BODY:
            length = max(2, int.from_bytes(data[at : at + 2], "big"))
            yield marker, data[at + 2 : at + length]
            at += length


def _check_jpeg(data: bytes) -> None:
    scans = 0
    for number, (marker, _) in enumerate(jpeg_segments(data), 1):
        scans += marker == _SOS
        if scans > MAX_SCANS or number > MAX_JPEG_SEGMENTS:
            raise RefusedImage("image_too_complex")


def _check_png(data: bytes) -> None:
    width, height = struct.unpack_from(">II", data, 16)
    at, chunks, frames = 8, 0, 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        chunks += 1
        frames += kind == b"fcTL"
        if chunks > MAX_PNG_CHUNKS:
            raise RefusedImage("image_too_complex")
        if kind == b"IEND":
            break
    _check_animation(frames, width * height)


def _check_webp(data: bytes) -> None:
    if data[12:16] != b"VP8X":
        return
    width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    at, chunks, frames = 12, 0, 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        at += 8 + length + length % 2
        chunks += 1
        frames += kind == b"ANMF"
        if chunks > MAX_PNG_CHUNKS:
            raise RefusedImage("image_too_complex")
    _check_animation(frames, width * height)


def _check_gif(data: bytes) -> None:
    width, height = struct.unpack_from("<HH", data, 6)
    at = 13 + _color_table_size(data[10])
    blocks, frames = 0, 0
    while at < len(data) and data[at] in (0x21, 0x2C):
        if data[at] == 0x2C:
            frames += 1
            _check_animation(frames, width * height)
            at += 11 + _color_table_size(data[at + 9])
        else:
            at += 2
        while data[at]:
            at += data[at] + 1
            blocks += 1
        at += 1
        if blocks > MAX_GIF_BLOCKS:
            raise RefusedImage("image_too_complex")


def _color_table_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _check_animation(frames: int, pixels: int) -> None:
    if frames > MAX_FRAMES or (frames > 1 and frames * pixels > MAX_ANIMATION_PIXELS):
        raise RefusedImage("animation_too_long")


def _check_bmp(data: bytes) -> None:
    (compression,) = struct.unpack_from("<I", data, 30)
    if compression in (1, 2) and len(data) > MAX_RUN_LENGTH_BYTES:
        raise RefusedImage("image_too_complex")


def _check_tiff(data: bytes) -> None:
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(f"{order}H", data, 2)[0] == 43:  # BigTIFF
        (at,) = struct.unpack_from(f"{order}Q", data, 8)
        (fields,) = struct.unpack_from(f"{order}Q", data, at)
        at, entry, size = at + 8, f"{order}HHQ", 20
    else:
        (at,) = struct.unpack_from(f"{order}I", data, 4)
        (fields,) = struct.unpack_from(f"{order}H", data, at)
        at, entry, size = at + 2, f"{order}HHI", 12
    if fields > MAX_TIFF_FIELDS:
        raise RefusedImage("image_too_complex")
    for number in range(fields):
        tag, _, count = struct.unpack_from(entry, data, at + number * size)
        if tag in _TIFF_PARTS and count > MAX_TIFF_PARTS:
            raise RefusedImage("image_too_complex")


_CHECKS: dict[str, Callable[[bytes], None]] = {
    "JPEG": _check_jpeg,
    "PNG": _check_png,
    "WEBP": _check_webp,
    "GIF": _check_gif,
    "BMP": _check_bmp,
    "TIFF": _check_tiff,
}
