"""Perceptual hashes and colours of images that were stored without them or imported.

Rows are the only state: an image without colours is unprocessed, so a run can stop at any time.
"""

import logging
import time
from collections.abc import Sequence

from django.core.files.storage import default_storage

from media.appearance import color_names, perceptual_hash
from media.images import decode_bytes
from posts.files import access
from posts.models import PostImage
from smimso.errors import InvalidInput

logger = logging.getLogger(__name__)

_BATCH_SIZE = 200  # rows
_COLUMNS = ["perceptual_hash", "colors"]


def backfill_appearance(*, seconds: float = 5.0) -> int:
    """Process stored images for about `seconds`; return the number of images written.

    Unreadable images get no hash and an empty list of colours, and are not processed again.
    """
    deadline, last, written = time.monotonic() + seconds, None, 0
    while time.monotonic() < deadline:
        rows = PostImage.objects.without_appearance().order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)  # failures of the storage are left to the next run
        images = list(rows.only("pk", "image_path", *_COLUMNS)[:_BATCH_SIZE])
        if not images:
            break
        written += _write([image for image in images if _compute(image)])
        last = images[-1].pk
    return written


def _write(images: Sequence[PostImage]) -> int:
    return PostImage.objects.without_appearance().bulk_update(images, _COLUMNS) if images else 0


def _compute(image: PostImage) -> bool:
    """Set the columns of `image`; return False if the storage could not be read."""
    image.colors = []
    try:
        picture = decode_bytes(_read_smallest_file(image))
    except (FileNotFoundError, InvalidInput) as error:
        logger.warning("Image %s has no readable file: %s", image.pk, error)
        return True
    except OSError as error:
        logger.warning("Image %s could not be read: %s", image.pk, error)
        return False
    image.perceptual_hash = perceptual_hash(picture)
    image.colors = color_names(picture)
    return True


def _read_smallest_file(image: PostImage) -> bytes:
    thumbnail = f"{access.FOLDER}/{image.pk}.thumbnail.webp"
    name = thumbnail if default_storage.exists(thumbnail) else image.image_path
    with default_storage.open(name) as file:
        return file.read()
