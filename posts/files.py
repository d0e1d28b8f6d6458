"""Files of post images: their names in the storage, their URLs, and who may fetch them.

`posts/<image id>.<ext>` is the picture itself, `posts/<image id>.<rendition>.webp` a smaller one.
Files of public posts have plain URLs; others have signed ones that expire.
"""

import re
import time
from pathlib import PurePath
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.signing import Signer
from django.utils.crypto import constant_time_compare

from posts.models import PostImage, Visibility
from smimso.uploads import EXTENSIONS, CheckedImage

FOLDER = "posts"
_NAME = re.compile(rf"{FOLDER}/([0-9a-f-]{{36}})(?:\.[a-z]+)?\.(?:jpg|png|webp|gif)")
_EXPIRY = re.compile("[0-9]{1,12}")  # seconds since 1970
_CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
}
_SIGNER = Signer(salt="posts.files")


def store_image(image_id: UUID, checked: CheckedImage) -> str:
    """Writes the picture and its renditions; the picture's name in the storage."""
    for name, data in checked.renditions.items():
        default_storage.save(f"{FOLDER}/{image_id}.{name}.webp", ContentFile(data))
    name = f"{FOLDER}/{image_id}.{checked.extension}"
    return default_storage.save(name, ContentFile(checked.data))


def remove_image(image_id: UUID) -> None:
    """Removes every file of the image; what is already gone is no error."""
    for name in settings.UPLOAD_THUMBNAIL_WIDTHS:
        default_storage.delete(f"{FOLDER}/{image_id}.{name}.webp")
    for extension in EXTENSIONS.values():
        default_storage.delete(f"{FOLDER}/{image_id}.{extension}")


def file_url(image: PostImage, visibility: str, rendition: str | None = None) -> str:
    """Path below this site; `rendition` is "thumbnail" or "preview". External URLs stay."""
    if not image.image_path:
        return image.image_url
    name = f"{FOLDER}/{image.pk}.{rendition}.webp" if rendition else image.image_path
    url = f"{settings.MEDIA_URL}{name}"
    if visibility == Visibility.PUBLIC:
        return url
    # Rounded, so that a browser can cache the file: at least half the lifetime is left.
    half = int(settings.UPLOAD_URL_LIFETIME.total_seconds() / 2)
    expires = (int(time.time()) // half + 2) * half
    return f"{url}?expires={expires}&signature={_signature(str(image.pk), expires)}"


def content_type(name: str) -> str:
    return _CONTENT_TYPES[PurePath(name).suffix]


def image_id_of(name: str) -> UUID | None:
    """The image that a name in the storage belongs to; None for any other name."""
    match = _NAME.fullmatch(name)
    try:
        return UUID(match[1]) if match else None
    except ValueError:
        return None


def is_signed(image_id: UUID, expires: str, signature: str) -> bool:
    if not _EXPIRY.fullmatch(expires) or int(expires) < time.time():
        return False
    return constant_time_compare(signature, _signature(str(image_id), int(expires)))


def _signature(image_id: str, expires: int) -> str:
    return _SIGNER.signature(f"{image_id}:{expires}")
