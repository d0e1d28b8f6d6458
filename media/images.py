"""The only door for bytes from outside: hostile until decoded.

An upload's declared name and type are never believed. What is stored is what was decoded here,
without private metadata, under a uuid and the extension of its real type.
"""

import base64
import hashlib
import io
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Protocol

from django.conf import settings
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from media.appearance import color_names, perceptual_hash
from media.metadata import strip_metadata
from smimso.errors import InvalidInput
from smimso.machine import available_cores, available_memory

EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
ORIENTATION = 0x0112  # EXIF tag
UPRIGHT = {  # what an EXIF orientation asks for; Pillow turns counter-clockwise
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
MODEL_SIDE = 768  # pixels; twice what the largest model input needs
FINGERPRINT_SIDE = 480  # pixels
# Pixels of the shorter side that are decoded for the models, at least: the larger of the two looks
# at 384. An eighth of a photograph of 12 megapixels has 375, and a quarter takes 11 ms more.
MIN_SIDE = 360
MAX_SIDE = 8 * MIN_SIDE  # pixels of the longer side that are kept for the models
PLACEHOLDER_WIDTH = 20  # pixels
MAX_WEBP_SIDE = 16_383  # pixels; more is beyond the format


def _decoder_count() -> int:
    """As many as cores, but a picture of the most pixels takes 200 MB while it is decoded: a tenth
    of the machine's memory, if all of them do."""
    return max(2, min(available_cores(), available_memory() // (2 * 1024**3)))


DECODER_COUNT = _decoder_count()
_DECODERS = ThreadPoolExecutor(
    DECODER_COUNT, thread_name_prefix="decode"
)  # Pillow releases the GIL

Image.MAX_IMAGE_PIXELS = None  # _opened has the limit, and refuses before anything is decoded


class Upload(Protocol):
    """What Django's UploadedFile offers."""

    @property
    def size(self) -> int | None: ...

    @property
    def name(self) -> str | None: ...

    def read(self) -> bytes: ...


@dataclass(frozen=True)
class CheckedImage:
    """An image that may be stored and served.

    width, height: pixels as displayed. checksum: SHA-256 of the bytes as uploaded, hex.
    renditions: WebP files by name ("thumbnail", "preview"). placeholder: a data: URL.
    perceptual_hash, colors: as media.appearance describes them.
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
    """By which a copy is known. checksum: SHA-256 of the bytes, hex."""

    checksum: str
    perceptual_hash: int | None


def check_images(uploads: Sequence[Upload]) -> list[CheckedImage]:
    """All of `uploads` decoded and checked, in order; InvalidInput names what is wrong."""
    check_count(uploads)
    return list(_DECODERS.map(_check_image, [read_upload(upload) for upload in uploads]))


def check_count(uploads: Sequence[Upload]) -> None:
    if len(uploads) > settings.UPLOAD_MAX_FILES:
        raise InvalidInput("too_many_files", number=settings.UPLOAD_MAX_FILES)


def compute_fingerprints(uploads: Sequence[Upload]) -> list[Fingerprint]:
    """As `check_images` would give them, in order, without what a picture to be stored needs."""
    check_count(uploads)
    return list(_DECODERS.map(_compute_fingerprint, [read_upload(upload) for upload in uploads]))


def _compute_fingerprint(data: bytes) -> Fingerprint:
    checksum = hashlib.sha256(data).hexdigest()
    return Fingerprint(checksum, perceptual_hash(_decode_to_fit(data, FINGERPRINT_SIDE)))


def decode_upload(upload: Upload, side: int = MODEL_SIDE) -> Image.Image:
    """A picture that is only looked at (search, caption), as `decode_bytes` gives it."""
    return decode_bytes(read_upload(upload), side)


def decode_bytes(data: bytes, side: int = MODEL_SIDE) -> Image.Image:
    """RGB, EXIF orientation applied, about `side` pixels on its longer side or smaller.

    Raises InvalidInput when the bytes are not an acceptable image.
    """
    # A few at a time: one of the most pixels takes 200 MB while it is decoded.
    return _DECODERS.submit(_decode_to_fit, data, side).result()


def decode_ahead(read: Callable[[], bytes]) -> Future[Image.Image]:
    """What `read` returns, read and decoded on a thread of its own, once for all models.

    RGB, EXIF orientation applied, LEAST_SIDE to 2 · LEAST_SIDE pixels on the shorter side where
    there are so many, MOST_SIDE on the longer one at most: 6 MB. The future raises InvalidInput on
    bad bytes, and what `read` raises.
    """
    return _DECODERS.submit(lambda: _decode_for_models(read()))


def _decode_for_models(data: bytes) -> Image.Image:
    image = _decode(io.BytesIO(data), MIN_SIDE)
    if image.mode in ("1", "P"):
        image = _flatten(image)
    longer = round(2 * MIN_SIDE * max(image.size) / min(image.size))
    side = min(longer, MAX_SIDE)  # a long strip of 50 megapixels would stay as it is
    image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return _flatten(image)


def _decode_to_fit(data: bytes, side: int) -> Image.Image:
    image = _decode(io.BytesIO(data), side)
    if image.mode in ("1", "P"):  # which Pillow resizes without smoothing
        image = _flatten(image)
    image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return _flatten(image)


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
    renditions, placeholder, seen = _make_renditions(data)
    return CheckedImage(
        data=data,
        extension=EXTENSIONS[image_format],
        width=size[0],
        height=size[1],
        checksum=checksum,
        renditions=renditions,
        placeholder=placeholder,
        perceptual_hash=perceptual_hash(seen),
        colors=color_names(seen),
    )


def _make_renditions(data: bytes) -> tuple[dict[str, bytes], str, Image.Image]:
    """WebP files no wider than settings.UPLOAD_THUMBNAIL_WIDTHS, the blurred placeholder, and the
    smallest of them in RGB."""
    widths = settings.UPLOAD_THUMBNAIL_WIDTHS
    image = _decode(io.BytesIO(data), max(widths.values()))
    # The profile of a grey or CMYK picture does not fit what it is converted to.
    profile = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA", "P") else None
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    files = {}
    for name, width in sorted(widths.items(), key=lambda item: -item[1]):
        image = _shrink(image, width, MAX_WEBP_SIDE)
        # method 0: a third of the time of the default for 4 % more bytes
        options = {"quality": 80, "method": 0, "icc_profile": profile}
        files[name] = _encode(image, "WEBP", **options)
    tiny = _shrink(image, PLACEHOLDER_WIDTH, 4 * PLACEHOLDER_WIDTH)
    encoded = base64.b64encode(_encode(tiny, "WEBP", quality=50)).decode()
    return files, f"data:image/webp;base64,{encoded}", _flatten(image)


def _shrink(image: Image.Image, most_width: int, most_height: int) -> Image.Image:
    scale = min(most_width / image.width, most_height / image.height)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def _make_upright(data: bytes) -> bytes:
    """Encoded again if the EXIF orientation asks for it: the one case in which pixels change."""
    with _raise_invalid_input():
        image = _open_header(io.BytesIO(data))
        turn = _required_transpose(image)
        if turn is None:
            return data
        options = {"icc_profile": image.info.get("icc_profile")}
        if image.format in ("JPEG", "WEBP"):
            options["quality"] = 95
        return _encode(image.transpose(turn), image.format or "", **options)


def _required_transpose(image: Image.Image) -> Image.Transpose | None:
    """What makes the picture upright. Not ImageOps.exif_transpose: it also writes the EXIF data
    anew, and stumbles over what was odd in it. An animation would lose its other frames."""
    turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    return None if turn is None or getattr(image, "is_animated", False) else turn


def _decode(file: IO[bytes], side: int) -> Image.Image:
    """Fully decoded and upright; JPEGs at the smallest scale that still has `side` pixels."""
    with _raise_invalid_input():
        image = _open_header(file)
        if image.format == "JPEG":
            image.draft(None, (side, side))
        image.load()
        turn = _required_transpose(image)
    if turn is not None:
        image = image.transpose(turn)
    return _to_eight_bits(image)


def _open_header(file: IO[bytes]) -> Image.Image:
    """The header only. Refuses other formats and sizes before any pixel is decoded."""
    with _raise_invalid_input():
        image: Image.Image = Image.open(file, formats=tuple(EXTENSIONS))
        if image.format == "MPO":  # a JPEG with more pictures behind it, as some cameras make it
            file.seek(0)
            image = JpegImageFile(file)
    if image.width * image.height > settings.UPLOAD_MAX_PIXELS:
        most = settings.UPLOAD_MAX_PIXELS // 1_000_000
        raise InvalidInput("image_too_large", number=most)
    return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Greys of 16 bits scaled down: Pillow's own conversion cuts them off at 255."""
    if not image.mode.startswith("I"):
        return image
    image.info.pop("transparency", None)
    return image.point(lambda grey: grey * (1 / 256)).convert("L")


def _flatten(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


@contextmanager
def _raise_invalid_input() -> Iterator[None]:
    """Turns whatever Pillow raises on bad data into one clear InvalidInput."""
    try:
        yield
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise _unreadable_error() from error


def _unreadable_error() -> InvalidInput:
    return InvalidInput("image_unreadable")
