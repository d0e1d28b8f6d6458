"""Decoding of pictures with Pillow, within a bound of memory per pixel.

Nothing of this imports Django: bytes from outside are decoded in processes of their own
(`media.decoder_pool`), stored files on threads of the workers.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pillow_heif
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from pillow_heif import HeifImageFile

from media.animation import choose_frame
from media.color import describe, expand_channels, to_srgb
from media.formats import FORMATS, Format, detect_format
from media.inspection import has_all_scans, inspect
from media.limits import MAX_DECODE_MEMORY, RefusedImage

ORIENTATION = 0x0112  # EXIF tag
UPRIGHT = {  # by EXIF orientation; Pillow rotates counter-clockwise
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
MAX_MISSING = 0.1  # of the rows or of the bytes of a picture that lacks its end
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_BAND_PIXELS = 2**20  # pixels that are converted at once

Image.MAX_IMAGE_PIXELS = None  # open_header checks our own limit before anything is decoded
# Only the primary picture is decoded; the others may be of any size and number.
pillow_heif.options.THUMBNAILS = False
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False


def identify(data: bytes) -> Format:
    """Return the format of a file that may be decoded. Raises RefusedImage."""
    image_format = detect_format(data)
    if image_format is None:
        raise RefusedImage
    inspect(data, image_format.name)
    return image_format


def open_header(data: bytes, image_format: Format, max_pixels: int) -> ImageFile.ImageFile:
    """Read only the header; refuse excessive sizes before pixels are decoded."""
    file = io.BytesIO(data)
    with refuse_broken_images():
        image: Image.Image
        if image_format.name == "JPEG":
            image = JpegImageFile(file)  # Image.open decodes another picture of an MPO
        elif image_format.name == "HEIF":
            image = HeifImageFile(file)
        else:
            image = Image.open(file, formats=[image_format.name])
        describe(image, data)
    limit = min(max_pixels, _max_pixels(image_format))
    if image.width * image.height > limit:
        raise RefusedImage("image_too_large", number=limit // 1_000_000)
    return image


def _max_pixels(image_format: Format) -> int:
    """Return the pixels that fit into the memory; a JPEG can be decoded at a smaller scale."""
    scale = 1 if image_format.name != "JPEG" else 2
    return int(scale**2 * MAX_DECODE_MEMORY / image_format.pixel_bytes)


def read_orientation(data: bytes, image_format: Format) -> Image.Transpose | None:
    """Return the operation that makes the picture upright, by its EXIF data, if they are legible.

    Not ImageOps.exif_transpose, which also rewrites the EXIF data and fails on malformed data. None
    for animations, which would lose their other frames.
    """
    try:
        image = open_header(data, image_format, 2**62)
        transpose = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
        return None if transpose is None or getattr(image, "is_animated", False) else transpose
    except Exception:  # whatever malformed EXIF data do to Pillow: without them it is upright
        return None


def decode(
    data: bytes, image_format: Format, max_pixels: int, side: int | None = None
) -> tuple[Image.Image, bool]:
    """Return the pixels as they are in the file, and False if the end of the file is missing.

    side: a JPEG is decoded at the smallest scale whose sides still have so many pixels. Of an
    animation, one frame is decoded (`media.animation`); of several pictures, the first. Raises
    RefusedImage, also if more than MAX_MISSING of the picture is missing.
    """
    try:
        return _load(data, image_format, max_pixels, side), True
    except RefusedImage as error:
        if error.code != "image_unreadable":
            raise
    with tolerate_truncation():
        image = _load(_fill_up(data, image_format), image_format, max_pixels, side)
    if _is_mostly_missing(image, data, image_format):
        raise RefusedImage
    return image, False


def _load_or_repair(
    data: bytes, image_format: Format, max_pixels: int, side: int | None
) -> Image.Image:
    return decode(data, image_format, max_pixels, side)[0]


def _load(data: bytes, image_format: Format, max_pixels: int, side: int | None) -> Image.Image:
    image = open_header(data, image_format, max_pixels)
    with refuse_broken_images():
        if image_format.name == "JPEG":
            image.draft(None, _draft_size(image, side))
        image.load()
        return choose_frame(image)


def _draft_size(image: Image.Image, side: int | None) -> tuple[int, int]:
    """Return the size to ask of libjpeg; without `side`, the largest that fits into the memory."""
    if side is not None:
        return side, side
    fits = image.width * image.height <= MAX_DECODE_MEMORY / FORMATS["JPEG"].pixel_bytes
    return image.size if fits else (image.width // 2, image.height // 2)


def _fill_up(data: bytes, image_format: Format) -> bytes:
    """Append zeros for missing bytes of a container that says its length; end a PNG.

    Raises RefusedImage if too many are missing.
    """
    if image_format.name == "WEBP":
        length = 8 + int.from_bytes(data[4:8], "little")
    elif image_format.name in ("HEIF", "AVIF"):
        length = _end_of_last_box(data)
    else:
        return data if image_format.name != "PNG" else _end_png(data)
    if length - len(data) > MAX_MISSING * length:
        raise RefusedImage
    return data + bytes(max(0, length - len(data)))


def _end_png(data: bytes) -> bytes:
    """Replace a chunk behind the pixels that is cut by the end of the file."""
    at, has_pixels = 8, False
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if has_pixels and kind != b"IDAT" and at + 12 + length > len(data):
            return data[:at] + _PNG_END
        has_pixels |= kind == b"IDAT"
        at += 12 + length
    return data


def _end_of_last_box(data: bytes) -> int:
    end = 0
    while end + 8 <= len(data):
        size = int.from_bytes(data[end : end + 4], "big")
        if size < 8:  # it reaches to the end of the file, or has a size of 64 bits
            return len(data)
        end += size
    return end


def _is_mostly_missing(image: Image.Image, data: bytes, image_format: Format) -> bool:
    """Return True if the pixels of a picture that was cut lack more than MAX_MISSING."""
    if image_format.name == "JPEG" and not has_all_scans(data):
        return True
    if image_format.name == "PNG":
        return _inflated_share(data, image) < 1 - MAX_MISSING
    # Decoders leave missing rows in one color: black, gray, transparent or the first of a palette.
    # A BMP begins with its last row.
    last = 0 if image_format.name == "BMP" else image.height - 1
    color = np.asarray(image.crop((0, last, 1, last + 1)))[0, 0]
    is_empty = [
        (np.asarray(band) == color).reshape(band.height, -1).all(axis=1) for band in _bands(image)
    ]
    rows = np.concatenate(is_empty)
    return bool(rows[last] and rows.mean() > MAX_MISSING)


def _inflated_share(data: bytes, image: Image.Image) -> float:
    """Return the share of a PNG's pixel data that is there, 0..1 or a little more."""
    at, inflated = 8, 0
    decompressor = zlib.decompressobj()
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            rest = data[at + 8 : at + 8 + length]
            while rest:
                try:
                    inflated += len(decompressor.decompress(rest, _BAND_PIXELS))
                except zlib.error:
                    rest = b""
                else:
                    rest = decompressor.unconsumed_tail
        at += 12 + length
    depth, color_type = data[24], data[25]
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color_type]
    return inflated / (image.height * ((image.width * depth * channels + 7) // 8 + 1))


def shrink(image: Image.Image, max_width: int, max_height: int) -> Image.Image:
    """Return the picture with 8 bits per channel, without a palette, no larger than the limits.

    It is converted in bands, so that a large picture is not in memory a second time.
    """
    scale = max(image.width / max_width, image.height / max_height)
    image = _reduce(image, max(1, int(scale / 2)))
    if scale <= 1:
        return image
    size = _scaled(image.size, max_width, max_height)
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _scaled(size: tuple[int, int], max_width: int, max_height: int) -> tuple[int, int]:
    scale = min(max_width / size[0], max_height / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _reduce(image: Image.Image, factor: int) -> Image.Image:
    size = -(-image.width // factor), -(-image.height // factor)
    bands = [to_eight_bits(band).reduce(factor) for band in _bands(image, factor)]
    result = Image.new(bands[0].mode, size)
    top = 0
    for band in bands:
        result.paste(band, (0, top))
        top += band.height
    result.info = {**image.info}
    result.info.pop("transparency", None)  # now a channel
    return result


def _bands(image: Image.Image, factor: int = 1) -> Iterator[Image.Image]:
    """Yield the rows from top to bottom, a multiple of `factor` and few pixels at a time."""
    rows = factor * max(1, _BAND_PIXELS // (image.width * factor))
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Return the picture with 8 bits per channel and without a palette.

    16-bit grayscale is scaled; Pillow's own conversion clips at 255.
    """
    if image.mode.startswith("I"):
        image.info.pop("transparency", None)
        return image.point(lambda gray: gray * (1 / 256)).convert("L")
    if image.mode == "F":
        return image.convert("L")
    if image.mode in ("RGBX", "RGBa", "La"):
        return image.convert("RGB" if image.mode == "RGBX" else "RGBA")
    return expand_channels(image)


def flatten(image: Image.Image) -> Image.Image:
    """Return the picture in RGB; transparent pixels become white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    background = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(background, image.convert("RGBA")).convert("RGB")


def decode_to_fit(
    data: bytes, max_pixels: int, side: int, *, is_stored: bool = False
) -> Image.Image:
    """Decode to RGB in sRGB, upright, with at most `side` pixels on the longer side.

    is_stored: the file was checked before, so it is refused if its end is missing.
    """
    image_format = identify(data)
    read = _load if is_stored else _load_or_repair
    image = read(data, image_format, max_pixels, side)
    return _finish(shrink(image, side, side), data, image_format)


def decode_for_models(data: bytes, max_pixels: int, min_side: int, max_side: int) -> Image.Image:
    """Decode a stored file to `min_side` to 2 * `min_side` pixels on the shorter side.

    The longer side has at most `max_side`; a small picture is not enlarged.
    """
    image_format = identify(data)
    image = _load(data, image_format, max_pixels, min_side)
    longer = round(2 * min_side * max(image.size) / min(image.size))
    side = min(longer, max_side)  # else a long strip of 50 megapixels would not shrink
    return _finish(shrink(image, side, side), data, image_format)


def _finish(image: Image.Image, data: bytes, image_format: Format) -> Image.Image:
    transpose = read_orientation(data, image_format)
    image = flatten(to_srgb(image))
    return image if transpose is None else image.transpose(transpose)


@contextmanager
def refuse_broken_images() -> Iterator[None]:
    """Convert the various errors that Pillow and its codecs raise on bad data to RefusedImage."""
    try:
        yield
    except RefusedImage:
        raise
    except MemoryError as error:
        raise RefusedImage("image_too_complex") from error
    except Exception as error:
        raise RefusedImage from error


@contextmanager
def tolerate_truncation() -> Iterator[None]:
    """Have Pillow decode what there is of a file, and skip what it cannot read.

    Only for processes that decode one file at a time: the flag is global.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
