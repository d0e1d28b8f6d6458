"""Files: their names in the storage, their URLs, and who may fetch them.

`posts/<image id>.<ext>` is a post's picture, `posts/<image id>.<rendition>.webp` a smaller one.
Files of public posts have plain URLs; others have signed ones that expire. Files of the other
folders are for whoever knows their name, which is a uuid too: `avatars/<uuid>.<ext>`,
`covers/<uuid>.<ext>` and `chat/<user id>/<uuid>.<ext>`.
"""

import re
import time
from pathlib import PurePath
from typing import Any
from uuid import UUID

import filetype
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.signing import Signer
from django.utils.crypto import constant_time_compare

from media.images import EXTENSIONS, CheckedImage
from posts.models import PostImage, Visibility

FOLDER = "posts"
_EXPIRY = re.compile("[0-9]{1,12}")  # seconds since 1970
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UNGUARDED_FOLDER = (
    rf"(?:avatars|covers|chat(?:/{_UUID})?)"  # of older attachments no sender is known
)
_NAME = re.compile(rf"{FOLDER}/({_UUID})(?:\.[a-z]+)?\.(?:jpg|png|webp|gif)")
_UNGUARDED_NAME = re.compile(rf"{_UNGUARDED_FOLDER}/{_UUID}(?:\.[a-z]+)?\.[a-z0-9]{{2,4}}")
_INLINE_TYPE = re.compile("(image/(jpeg|png|webp|gif)|audio/|video/)")  # all others are downloaded
_UNKNOWN = "application/octet-stream"
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


def unguarded_url(name: str) -> str:
    """Of a file in one of the other folders."""
    return f"{settings.MEDIA_URL}{name}"


def is_unguarded(name: str) -> bool:
    """Whether it is the name of a file in one of the other folders."""
    return bool(_UNGUARDED_NAME.fullmatch(name))


def content_type_of(name: str) -> str:
    """By the extension, which is that of the file's real type."""
    extension = PurePath(name).suffix[1:]
    if extension == "txt":
        return "text/plain; charset=utf-8"
    kind = filetype.get_type(ext=extension)
    return kind.mime if kind else _UNKNOWN


def is_inline(content_type: str) -> bool:
    """Whether a browser may show it on this site, rather than save it."""
    return bool(_INLINE_TYPE.match(content_type))


def can_view(viewer: Any, name: str, *, expires: str, signature: str) -> bool:
    """Whether `name` is one of ours, and the viewer may have it: by signature or by the rule."""
    if is_unguarded(name):
        return True
    image_id = image_id_of(name)
    if image_id is None:
        return False
    if is_signed(image_id, expires, signature):
        return True
    return PostImage.objects.visible_to(viewer).filter(pk=image_id).exists()


def image_id_of(name: str) -> UUID | None:
    """The image that a name in the storage belongs to; None for any other name."""
    match = _NAME.fullmatch(name)
    return UUID(match[1]) if match else None


def is_signed(image_id: UUID, expires: str, signature: str) -> bool:
    if not _EXPIRY.fullmatch(expires) or int(expires) < time.time():
        return False
    return constant_time_compare(signature, _signature(str(image_id), int(expires)))


def _signature(image_id: str, expires: int) -> str:
    return _SIGNER.signature(f"{image_id}:{expires}")
