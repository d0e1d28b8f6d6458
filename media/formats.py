"""The formats of pictures that members may send, and what becomes of each."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A format. name: Pillow's. label: for members. media_type: for the Content-Type.

    encode_as: the format of a picture that cannot be stored as it is. encodes_always: browsers do
    not show this format everywhere. keeps_original: the file is stored, too. pixel_bytes: memory
    that decoding takes per pixel, measured.
    """

    name: str
    label: str
    extension: str
    media_type: str
    encode_as: str
    pixel_bytes: float
    encodes_always: bool = False
    keeps_original: bool = False


FORMATS = {
    each.name: each
    for each in (
        Format("JPEG", "JPEG", "jpg", "image/jpeg", "JPEG", 8),
        Format("PNG", "PNG", "png", "image/png", "PNG", 9),
        Format("WEBP", "WebP", "webp", "image/webp", "WEBP", 17),
        Format("GIF", "GIF", "gif", "image/gif", "PNG", 10),
        Format("HEIF", "HEIC", "heic", "image/heic", "JPEG", 12, True, True),
        Format("AVIF", "AVIF", "avif", "image/avif", "JPEG", 12, True, True),
        Format("BMP", "BMP", "bmp", "image/bmp", "PNG", 9, True),
        Format("TIFF", "TIFF", "tiff", "image/tiff", "PNG", 9, True),
    )
}
SHOWN_EXTENSIONS = [each.extension for each in FORMATS.values() if not each.encodes_always]
EXTENSIONS = [each.extension for each in FORMATS.values()]
LABELS = ", ".join(each.label for each in FORMATS.values())
# For the attribute `accept`. Systems that know no type for a format know its extension.
ACCEPTED_TYPES = [
    *(each.media_type for each in FORMATS.values()),
    *("image/heif", ".heic", ".heif", ".avif", ".bmp", ".tif", ".tiff"),
]


def detect_format(data: bytes) -> Format | None:
    """Return the format by the first bytes of a file; None for one that is not accepted."""
    return next((FORMATS[name] for name, is_this in _SIGNATURES.items() if is_this(data)), None)


def _is_bmp(data: bytes) -> bool:
    """Return True for a bitmap; a text may begin with the same two letters."""
    header_size = int.from_bytes(data[14:18], "little")
    return data.startswith(b"BM") and header_size in (12, 40, 52, 56, 64, 108, 124)


def _is_avif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and bool(_brands(data) & {b"avif", b"avis"})


def _is_heif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and (
        data[8:12] in (b"mif1", b"msf1") or bool(_brands(data) & _HEIF_BRANDS)
    )


def _brands(data: bytes) -> set[bytes]:
    """Return the major and the compatible brands of an ISO base media file."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}


_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    "JPEG": lambda data: data.startswith(b"\xff\xd8\xff"),
    "PNG": lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"),
    "GIF": lambda data: data.startswith((b"GIF87a", b"GIF89a")),
    "WEBP": lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP",
    "AVIF": _is_avif,
    "HEIF": _is_heif,
    "BMP": _is_bmp,
    "TIFF": lambda data: data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
}
