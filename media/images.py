"""Checking and decoding of uploaded pictures, the only entry point for images from outside.

The declared name and type of an upload are ignored. Only images that decode here are stored,
without private metadata, under a UUID and with the extension of their real type.
"""

import base64
import hashlib
import io
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from media.appearance import color_names, perceptual_hash
from media.color import describe, embeddable_profile, expand_channels, to_srgb
from media.metadata import strip_metadata
from smimso.errors import InvalidInput
from smimso.machine import available_cores, available_memory

EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
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
# Sides are in pixels.
MODEL_SIDE = 768  # longer side; twice the largest model input
FINGERPRINT_SIDE = 480  # longer side
# Minimum of the shorter side when decoding for the models, whose largest input is 384. JPEGs are
# decoded at 1/8 if possible: of a photo of 12 megapixels that is 375, and 1/4 takes 11 ms more.
MIN_SIDE = 360
MAX_SIDE = 8 * MIN_SIDE  # longer side, for the models
PLACEHOLDER_WIDTH = 20
MAX_WEBP_SIDE = 16_383  # limit of the format


def count_decoders() -> int:
    """Return the number of cores, limited by memory: one thread per 2 GB.

    Decoding a picture of the maximum size takes 200 MB, so all threads use a tenth of the memory.
    """
    return max(2, min(available_cores(), available_memory() // (2 * 1024**3)))


DECODER_COUNT = count_decoders()
# Threads, because Pillow releases the GIL. They also limit how many pictures are in memory at once.
_DECODERS = ThreadPoolExecutor(DECODER_COUNT, thread_name_prefix="decode")

Image.MAX_IMAGE_PIXELS = None  # _open_header checks our own limit before anything is decoded


class Upload(Protocol):
    """The part of Django's UploadedFile that is used here."""

    @property
    def size(self) -> int | None: ...

    @property
    def name(self) -> str | None: ...

    def read(self) -> bytes: ...


@dataclass(frozen=True)
class CheckedImage:
    """An image that can be stored and served.

    width, height: pixels as displayed. checksum: SHA-256 (hex) of the bytes as uploaded.
    renditions: WebP files by name ("thumbnail", "preview"). placeholder: a data: URL.
    perceptual_hash, colors: see media.appearance.
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


@dataclass(frozen=True)
class Fingerprint:
    """The values that identify copies of a picture. checksum: SHA-256 (hex) of the bytes."""

    checksum: str
    perceptual_hash: int | None


def check_images(uploads: Sequence[Upload]) -> list[CheckedImage]:
    """Decode and check all uploads; return them in order. Raises InvalidInput."""
    check_count(uploads)
    return list(_DECODERS.map(_check_image, [read_upload(upload) for upload in uploads]))


def check_count(uploads: Sequence[Upload]) -> None:
    """Raise InvalidInput if there are more files than one post can have."""
    if len(uploads) > settings.UPLOAD_MAX_FILES:
        raise InvalidInput("too_many_files", number=settings.UPLOAD_MAX_FILES)


def compute_fingerprints(uploads: Sequence[Upload]) -> list[Fingerprint]:
    """Return the fingerprints as `check_images` would, in order, without preparing for storage."""
    check_count(uploads)
    return list(_DECODERS.map(_compute_fingerprint, [read_upload(upload) for upload in uploads]))


def _compute_fingerprint(data: bytes) -> Fingerprint:
    checksum = hashlib.sha256(data).hexdigest()
    return Fingerprint(checksum, perceptual_hash(_decode_to_fit(data, FINGERPRINT_SIDE)))


def decode_upload(upload: Upload, side: int = MODEL_SIDE) -> Image.Image:
    """Decode a picture that will not be stored (search, captions), as `decode_bytes` does."""
    return decode_bytes(read_upload(upload), side)


def decode_bytes(data: bytes, side: int = MODEL_SIDE) -> Image.Image:
    """Decode to RGB, upright, with at most about `side` pixels on the longer side.

    Raises InvalidInput if the bytes are not an accepted image.
    """
    return _DECODERS.submit(_decode_to_fit, data, side).result()


def decode_ahead(read: Callable[[], bytes]) -> Future[Image.Image]:
    """Call `read` and decode its result on a thread, once for all models.

    The image is RGB and upright. If it is large enough, its shorter side has MIN_SIDE to
    2 * MIN_SIDE pixels; its longer side has at most MAX_SIDE. So it takes 6 MB at most. The future
    raises InvalidInput for bad bytes, and the errors of `read`.
    """
    return _DECODERS.submit(lambda: _decode_for_models(read()))


def _decode_for_models(data: bytes) -> Image.Image:
    image = expand_channels(_decode(io.BytesIO(data), MIN_SIDE))
    longer = round(2 * MIN_SIDE * max(image.size) / min(image.size))
    side = min(longer, MAX_SIDE)  # else a long strip of 50 megapixels would not shrink
    image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return _flatten(to_srgb(image))


def _decode_to_fit(data: bytes, side: int) -> Image.Image:
    image = expand_channels(_decode(io.BytesIO(data), side))
    image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return _flatten(to_srgb(image))


def read_upload(upload: Upload) -> bytes:
    megabytes = settings.UPLOAD_MAX_BYTES // (1024 * 1024)
    if (upload.size or 0) > settings.UPLOAD_MAX_BYTES:
        raise InvalidInput("file_too_large", number=megabytes)
    return upload.read()


def _check_image(data: bytes) -> CheckedImage:
    image_format = _open_header(io.BytesIO(data)).format or ""
    checksum = hashlib.sha256(data).hexdigest()
    data = _make_upright(data)
    try:
        data = strip_metadata(data, image_format)
    except ValueError as error:
        raise _unreadable_error() from error
    size = _open_header(io.BytesIO(data)).size
    renditions, placeholder, small = _make_renditions(data)
    return CheckedImage(
        data=data,
        extension=EXTENSIONS[image_format],
        width=size[0],
        height=size[1],
        checksum=checksum,
        renditions=renditions,
        placeholder=placeholder,
        perceptual_hash=perceptual_hash(small),
        colors=color_names(small),
    )


def _make_renditions(data: bytes) -> tuple[dict[str, bytes], str, Image.Image]:
    """Return the WebP renditions by name, the blurred placeholder, and the smallest one in RGB.

    All are in sRGB. Widths: settings.UPLOAD_THUMBNAIL_WIDTHS at most.
    """
    widths = settings.UPLOAD_THUMBNAIL_WIDTHS
    image = expand_channels(_decode(io.BytesIO(data), max(widths.values())))
    image = to_srgb(_shrink(image, max(widths.values()), MAX_WEBP_SIDE))
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    files = {}
    for name, width in sorted(widths.items(), key=lambda item: -item[1]):
        image = _shrink(image, width, MAX_WEBP_SIDE)
        # method 0 takes a third of the default's time, for 4 % more bytes
        files[name] = _encode(image, "WEBP", quality=80, method=0)
    tiny = _shrink(image, PLACEHOLDER_WIDTH, 4 * PLACEHOLDER_WIDTH)
    encoded = base64.b64encode(_encode(tiny, "WEBP", quality=50)).decode()
    return files, f"data:image/webp;base64,{encoded}", _flatten(image)


def _shrink(image: Image.Image, max_width: int, max_height: int) -> Image.Image:
    scale = min(max_width / image.width, max_height / image.height)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def _make_upright(data: bytes) -> bytes:
    """Re-encode the image upright if its EXIF orientation requires it, else return it as it is."""
    with _refuse_broken_images():
        image = _open_header(io.BytesIO(data))
        transpose = _required_transpose(image)
        if transpose is None:
            return data
        options: dict[str, object] = {"icc_profile": embeddable_profile(image)}
        if image.format in ("JPEG", "WEBP"):
            options["quality"] = 95
        return _encode(image.transpose(transpose), image.format or "", **options)


def _required_transpose(image: Image.Image) -> Image.Transpose | None:
    """Return the operation that makes the picture upright.

    Not ImageOps.exif_transpose, which also rewrites the EXIF data and fails on malformed data. None
    for animations, which would lose their other frames.
    """
    transpose = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    return None if transpose is None or getattr(image, "is_animated", False) else transpose


def _decode(file: io.BytesIO, side: int) -> Image.Image:
    """Decode an image upright; a JPEG at the smallest scale that still has `side` pixels."""
    with _refuse_broken_images():
        image = _open_header(file)
        if image.format == "JPEG":
            image.draft(None, (side, side))
        image.load()
        transpose = _required_transpose(image)
    if transpose is not None:
        image = image.transpose(transpose)
    return _to_eight_bits(image)


def _open_header(file: io.BytesIO) -> Image.Image:
    """Read only the header; refuse other formats and excessive sizes before decoding pixels."""
    with _refuse_broken_images():
        image: Image.Image = Image.open(file, formats=tuple(EXTENSIONS))
        if image.format == "MPO":  # a JPEG followed by more pictures, as some cameras write
            file.seek(0)
            image = JpegImageFile(file)
        describe(image, file.getvalue())
    if image.width * image.height > settings.UPLOAD_MAX_PIXELS:
        megapixels = settings.UPLOAD_MAX_PIXELS // 1_000_000
        raise InvalidInput("image_too_large", number=megapixels)
    return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grayscale down to 8 bits; Pillow's own conversion clips at 255."""
    if not image.mode.startswith("I"):
        return image
    image.info.pop("transparency", None)
    return image.point(lambda gray: gray * (1 / 256)).convert("L")


def _flatten(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    background = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(background, image.convert("RGBA")).convert("RGB")


@contextmanager
def _refuse_broken_images() -> Iterator[None]:
    """Convert the various errors that Pillow raises on bad data to one InvalidInput."""
    try:
        yield
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise _unreadable_error() from error


def _unreadable_error() -> InvalidInput:
    return InvalidInput("image_unreadable")
