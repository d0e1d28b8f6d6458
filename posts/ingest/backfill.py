"""Hash and colours of images that were stored before these were computed, or were imported.

Rows are the only state: what has no colours yet is looked at, so a run may stop at any time.
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

_BATCH = 200  # rows
_COLUMNS = ["perceptual_hash", "colors"]


def backfill_appearance(*, seconds: float = 5.0) -> int:
    """Looks at stored images for about so long; the number of images that were written.

    What cannot be read gets no hash and no colours, and is not looked at again.
    """
    deadline, last, filled = time.monotonic() + seconds, None, 0
    while time.monotonic() < deadline:
        rows = PostImage.objects.without_appearance().order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)  # what the storage refused is for the next run
        images = list(rows.only("pk", "image_path", *_COLUMNS)[:_BATCH])
        if not images:
            break
        seen = [image for image in images if _compute(image)]
        filled += _write(seen)
        last = images[-1].pk
    return filled


def _write(images: Sequence[PostImage]) -> int:
    return PostImage.objects.without_appearance().bulk_update(images, _COLUMNS) if images else 0


def _compute(image: PostImage) -> bool:
    """False when the storage could not be asked."""
    image.colors = []
    try:
        picture = decode_bytes(_smallest_file(image))
    except (FileNotFoundError, InvalidInput) as error:
        logger.warning("Image %s cannot be looked at: %s", image.pk, error)
        return True
    except OSError as error:
        logger.warning("Image %s could not be read: %s", image.pk, error)
        return False
    image.perceptual_hash = perceptual_hash(picture)
    image.colors = color_names(picture)
    return True


def _smallest_file(image: PostImage) -> bytes:
    thumbnail = f"{access.FOLDER}/{image.pk}.thumbnail.webp"
    name = thumbnail if default_storage.exists(thumbnail) else image.image_path
    with default_storage.open(name) as file:
        return file.read()
