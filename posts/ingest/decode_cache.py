"""Pictures of queued images, decoded ahead of the engine and only once for both models.

BLIP's step follows CLIP's soon, mostly in the same process: pictures that CLIP's step decoded stay
cached until then, as long as there is room.
"""

from collections import OrderedDict
from concurrent.futures import Future
from functools import partial
from threading import Lock

from django.core.files.storage import default_storage
from PIL import Image

from media.images import decode_ahead
from posts.models import AIStatus, PostImage

MAX_CACHED_BYTES = 48 * 1024 * 1024  # about 90 photographs
_BYTES_PER_PIXEL = 3  # RGB

_cache: OrderedDict[str, Image.Image] = OrderedDict()
_lock = Lock()


def decode_async(image: PostImage) -> Future[Image.Image]:
    """Return the future of an image's picture; see `media.images.decode_ahead`.

    It raises InvalidInput for a file that is no readable image, and the storage's errors.
    """
    with _lock:
        cached = _cache.pop(image.image_path, None)  # there is no third step
    if cached is not None:
        done: Future[Image.Image] = Future()
        done.set_result(cached)
        return done
    future = decode_ahead(partial(_read, image.image_path))
    if image.ai_status == AIStatus.PENDING:
        future.add_done_callback(partial(_store, image.image_path))
    return future


def clear() -> None:
    with _lock:
        _cache.clear()


def _read(path: str) -> bytes:
    with default_storage.open(path) as file:
        return file.read()


def _store(path: str, future: Future[Image.Image]) -> None:
    if future.exception() is not None:
        return
    with _lock:
        _cache[path] = future.result()
        size = sum(_BYTES_PER_PIXEL * image.width * image.height for image in _cache.values())
        while size > MAX_CACHED_BYTES:
            _, oldest = _cache.popitem(last=False)
            size -= _BYTES_PER_PIXEL * oldest.width * oldest.height
