"""Checking and decoding of pictures, the only entry point for images from outside.

The declared name and type of an upload are ignored. Every entry point accepts the same files: those
that `media.decoding` decodes. They are decoded in `media.decoder_pool`, and stored without private
metadata, under a UUID and with the extension of their real type.
"""

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol, TypeVar

from django.conf import settings
from PIL import Image

from media import decoding
from media.decoder_pool import (
    MAX_WAIT_SECONDS,
    RETRY_AFTER_SECONDS,
    DecoderPool,
    DecodersBusy,
    count_processes,
)
from media.decoder_process import decode_pixels, restore_pixels
from media.limits import Limits, RefusedImage
from media.preparation import CheckedImage, Fingerprint, compute_fingerprint, prepare
from smimso.errors import InvalidInput, Unavailable
from smimso.machine import available_cores, available_memory
from smimso.visible_text import clean_line, isolate

# Sides are in pixels.
MODEL_SIDE = 768  # longer side; twice the largest model input
# Minimum of the shorter side when decoding for the models, whose largest input is 384. JPEGs are
# decoded at 1/8 if possible: of a photo of 12 megapixels that is 375, and 1/4 takes 11 ms more.
MIN_SIDE = 360
MAX_SIDE = 8 * MIN_SIDE  # longer side, for the models

T = TypeVar("T")


def count_threads() -> int:
    """Return the number of cores, limited by memory: one thread per 2 GB."""
    return max(2, min(available_cores(), available_memory() // (2 * 1024**3)))


# For stored files, which were checked before. Pillow releases the GIL.
_THREADS = ThreadPoolExecutor(count_threads(), thread_name_prefix="decode")


class Upload(Protocol):
    """The part of Django's UploadedFile that is used here."""

    @property
    def size(self) -> int | None: ...

    @property
    def name(self) -> str | None: ...

    def read(self) -> bytes: ...


def check_images(uploads: Sequence[Upload], owner: Hashable = None) -> list[CheckedImage]:
    """Decode and check all uploads; return them in order.

    owner: who waits for them, a member's id or a visitor's address. Raises InvalidInput, which of
    several files names the first that is refused, and Unavailable.
    """
    return _decode_all(prepare, uploads, owner)


def compute_fingerprints(uploads: Sequence[Upload], owner: Hashable = None) -> list[Fingerprint]:
    """Return the fingerprints as `check_images` would, in order, without preparing for storage."""
    return _decode_all(compute_fingerprint, uploads, owner)


def decode_upload(upload: Upload, owner: Hashable = None, side: int = MODEL_SIDE) -> Image.Image:
    """Decode a picture that will not be stored (search, captions).

    Return it in RGB, upright, with at most `side` pixels on the longer side. owner, errors: as for
    `check_images`.
    """
    (pixels,) = _decode_all(decode_pixels, [upload], owner, side)
    return restore_pixels(*pixels)


def check_count(uploads: Sequence[Upload]) -> None:
    """Raise InvalidInput if there are more files than one post can have."""
    if len(uploads) > settings.UPLOAD_MAX_FILES:
        raise InvalidInput("too_many_files", number=settings.UPLOAD_MAX_FILES)


def read_upload(upload: Upload) -> bytes:
    megabytes = settings.UPLOAD_MAX_BYTES // (1024 * 1024)
    if (upload.size or 0) > settings.UPLOAD_MAX_BYTES:
        raise InvalidInput("file_too_large", number=megabytes)
    return upload.read()


def decode_bytes(data: bytes, side: int = MODEL_SIDE) -> Image.Image:
    """Decode a stored file as `decode_upload` does, on a thread of this process."""
    with _as_invalid_input():
        return _THREADS.submit(
            decoding.decode_to_fit, data, settings.UPLOAD_MAX_PIXELS, side, is_stored=True
        ).result()


def decode_ahead(read: Callable[[], bytes]) -> Future[Image.Image]:
    """Call `read` and decode its result, a stored file, on a thread, once for all models.

    The image is RGB and upright. If it is large enough, its shorter side has MIN_SIDE to
    2 * MIN_SIDE pixels; its longer side has at most MAX_SIDE. So it takes 6 MB at most. The future
    raises InvalidInput for bad bytes, and the errors of `read`.
    """
    return _THREADS.submit(lambda: _decode_for_models(read()))


def _decode_for_models(data: bytes) -> Image.Image:
    with _as_invalid_input():
        return decoding.decode_for_models(data, settings.UPLOAD_MAX_PIXELS, MIN_SIDE, MAX_SIDE)


@cache
def _decoders() -> DecoderPool:
    return DecoderPool(count_processes())


def _decode_all(
    function: Callable[..., T], uploads: Sequence[Upload], owner: Hashable, *options: object
) -> list[T]:
    """Call the function in decoding processes with each file, the limits and the options."""
    check_count(uploads)
    limits = Limits(settings.UPLOAD_MAX_PIXELS, settings.UPLOAD_THUMBNAIL_WIDTHS)
    files = []
    for number, upload in enumerate(uploads):
        with _named(uploads, number):
            files.append(read_upload(upload))
    try:
        futures = _decoders().map(owner, function, [(data, limits, *options) for data in files])
    except DecodersBusy as error:
        raise _busy_error() from error
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    results = []
    try:
        for number, future in enumerate(futures):
            with _named(uploads, number):
                results.append(future.result(max(0, deadline - time.monotonic())))
    except TimeoutError as error:
        raise _busy_error() from error
    finally:
        for future in futures:
            future.cancel()
    return results


@contextmanager
def _as_invalid_input() -> Iterator[None]:
    try:
        yield
    except RefusedImage as error:
        raise InvalidInput(error.code, **error.params) from error


@contextmanager
def _named(uploads: Sequence[Upload], number: int) -> Iterator[None]:
    """Raise InvalidInput for a refusal; it names the file if there are several."""
    try:
        yield
    except RefusedImage as error:
        raise InvalidInput(error.code, **error.params, **_file(uploads, number)) from error
    except InvalidInput as error:
        error.params |= _file(uploads, number)
        raise


def _file(uploads: Sequence[Upload], number: int) -> dict[str, Any]:
    if len(uploads) == 1:
        return {}
    return {"file_number": number + 1, "file_name": _display_name(uploads[number].name or "")}


def _display_name(name: str) -> str:
    """Return a file's name in one line of harmless characters, shortened before its extension."""
    line = clean_line(name)
    return isolate(line if len(line) <= 60 else f"{line[:44]}…{line[-15:]}")


def _busy_error() -> Unavailable:
    return Unavailable("decoders_busy", retry_after=RETRY_AFTER_SECONDS)
