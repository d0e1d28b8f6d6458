"""Preparation of a picture for storage: without private metadata, with renditions.

Runs in the processes of `media.decoder_pool`; nothing of it imports Django.
"""

import base64
import hashlib
import io
import sys
from dataclasses import dataclass

from PIL import Image

from media.appearance import color_names, perceptual_hash
from media.color import embeddable_profile, to_srgb
from media.decoding import (
    decode,
    decode_to_fit,
    flatten,
    identify,
    open_header,
    read_orientation,
    shrink,
    to_eight_bits,
)
from media.formats import FORMATS, Format
from media.limits import Limits, RefusedImage
from media.metadata import strip_metadata

FINGERPRINT_SIDE = 480  # pixels, longer side
PLACEHOLDER_WIDTH = 20
MAX_WEBP_SIDE = 16_383  # limit of the format
MAX_LOSSLESS_PIXELS = 16_000_000  # of a picture encoded again; a PNG of a larger photo is huge
_ENCODABLE = {  # modes
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("RGB", "RGBA"),
}
_OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95},
    "PNG": {"compress_level": 4},
    "WEBP": {"quality": 95, "method": 0},
}


@dataclass(frozen=True)
class CheckedImage:
    """An image that can be stored and served.

    data, extension: a file that every browser shows. original: the file as uploaded, without its
    metadata, if it is of a format that some browsers do not show; original_extension: its
    extension. width, height: pixels as displayed. checksum: SHA-256 (hex) of the bytes as
    uploaded. renditions: WebP files by name ("thumbnail", "preview"). placeholder: a data: URL.
    perceptual_hash, colors: see media.appearance. is_animated: `data` has several frames, of which
    the renditions show one.
    """

    data: bytes
    extension: str
    width: int
    height: int
    checksum: str
    renditions: dict[str, bytes]
    placeholder: str
    perceptual_hash: int | None
    colors: list[str]
    is_animated: bool = False
    original: bytes | None = None
    original_extension: str = ""


@dataclass(frozen=True)
class Fingerprint:
    """The values that identify copies of a picture. checksum: SHA-256 (hex) of the bytes."""

    checksum: str
    perceptual_hash: int | None


def compute_fingerprint(data: bytes, limits: Limits) -> Fingerprint:
    """Return the fingerprint as `prepare` would, without preparing for storage."""
    image = decode_to_fit(data, limits.max_pixels, FINGERPRINT_SIDE)
    return Fingerprint(hashlib.sha256(data).hexdigest(), perceptual_hash(image))


def prepare(data: bytes, limits: Limits) -> CheckedImage:
    """Check a picture and prepare it for storage. Raises RefusedImage.

    The file is stored without its metadata, its pixels as they are. It is encoded again if it is
    not upright, lacks its end, is damaged, or has a format that browsers do not show everywhere.
    """
    image_format = identify(data)
    clean = _strip(data, image_format)
    original, is_animated = None, False
    image = _decode_as_it_is(data, clean, image_format, limits)
    if image is not None and clean is not None:
        stored, extension = clean, image_format.extension
        header = open_header(clean, image_format, sys.maxsize)
        size, is_animated = header.size, getattr(header, "is_animated", False)
    else:
        image, is_complete = _decode_upright(data, image_format, limits)
        stored, extension = _encode_again(image, image_format)
        size = image.size
        if is_complete and image_format.keeps_original:
            original = clean
    renditions, placeholder, small = _make_renditions(image, limits)
    return CheckedImage(
        data=stored,
        extension=extension,
        width=size[0],
        height=size[1],
        checksum=hashlib.sha256(data).hexdigest(),
        renditions=renditions,
        placeholder=placeholder,
        perceptual_hash=perceptual_hash(small),
        colors=color_names(small),
        is_animated=is_animated,
        original=original,
        original_extension=image_format.extension if original else "",
    )


def _strip(data: bytes, image_format: Format) -> bytes | None:
    """Return the file without its metadata, None if that needs to be done by encoding it again."""
    if image_format.encodes_always and not image_format.keeps_original:
        return None
    try:
        return strip_metadata(data, image_format.name)
    except (KeyError, ValueError):
        return None


def _decode_as_it_is(
    data: bytes, clean: bytes | None, image_format: Format, limits: Limits
) -> Image.Image | None:
    """Return the picture large enough for the renditions; None if it must be encoded again."""
    if clean is None or image_format.encodes_always:
        return None
    if read_orientation(data, image_format) is not None:
        return None
    side = max(limits.widths.values())
    try:
        image, is_complete = decode(clean, image_format, limits.max_pixels, side)
    except RefusedImage as error:
        if error.code != "image_unreadable":
            raise
        return None
    return image if is_complete else None


def _decode_upright(data: bytes, image_format: Format, limits: Limits) -> tuple[Image.Image, bool]:
    """Return all pixels, and False if the end of the file is missing."""
    image, is_complete = decode(data, image_format, limits.max_pixels)
    transpose = read_orientation(data, image_format)
    if transpose is not None:
        image = image.transpose(transpose)  # with a copy of `info`
    return image, is_complete


def _encode_again(image: Image.Image, image_format: Format) -> tuple[bytes, str]:
    """Return a file with these pixels and nothing else, and its extension."""
    target = image_format.encode_as
    if target == "PNG" and image.width * image.height > MAX_LOSSLESS_PIXELS:
        target = "JPEG"
    if target == "JPEG" and image.has_transparency_data:
        target = "WEBP"
    if target == "WEBP" and max(image.size) > MAX_WEBP_SIDE:
        image = shrink(image, MAX_WEBP_SIDE, MAX_WEBP_SIDE)
    if image.mode not in _ENCODABLE[target]:
        image = to_srgb(to_eight_bits(image))
    if image.mode not in _ENCODABLE[target]:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    options = {"icc_profile": embeddable_profile(image), **_OPTIONS[target]}
    # Pillow writes some values of `info`, such as comments. The renditions need others.
    info = image.info
    image.info = {key: info[key] for key in ("transparency",) if key in info}
    data = _encode(image, target, **options)
    image.info = info
    return data, FORMATS[target].extension


def _make_renditions(
    image: Image.Image, limits: Limits
) -> tuple[dict[str, bytes], str, Image.Image]:
    """Return the WebP renditions by name, the blurred placeholder, and the smallest one in RGB.

    All are in sRGB.
    """
    widths = limits.widths
    image = to_srgb(shrink(image, max(widths.values()), MAX_WEBP_SIDE))
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    files = {}
    for name, width in sorted(widths.items(), key=lambda item: -item[1]):
        image = shrink(image, width, MAX_WEBP_SIDE)
        # method 0 takes a third of the default's time, for 4 % more bytes
        files[name] = _encode(image, "WEBP", quality=80, method=0)
    tiny = shrink(image, PLACEHOLDER_WIDTH, 4 * PLACEHOLDER_WIDTH)
    encoded = base64.b64encode(_encode(tiny, "WEBP", quality=50)).decode()
    return files, f"data:image/webp;base64,{encoded}", flatten(image)


def _encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()
