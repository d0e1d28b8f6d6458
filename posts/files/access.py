"""Names and URLs of uploaded files, and the rule of who may fetch them (ADR 2).

`posts/<image id>.<ext>` is a post's picture, `posts/<image id>.<rendition>.webp` a smaller one.
`posts/<image id>.original.<ext>` is the uploaded file of a format that some browsers do not show;
its conversion is the picture. They have plain URLs if the post is public, else signed URLs that
expire. Files in the other folders are unguarded: everyone who knows the name, which contains a
random UUID, may fetch them. These are `avatars/<uuid>.<ext>`, `covers/<uuid>.<ext>` and
`chat/<user id>/<uuid>.<ext>`.
"""

import re
import time
from pathlib import PurePath
from uuid import UUID

import filetype
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.signing import Signer
from django.utils.crypto import constant_time_compare

from accounts.viewer import Viewer
from media.formats import EXTENSIONS
from media.preparation import CheckedImage
from posts.models import PostImage
from posts.visibility import Visibility

FOLDER = "posts"
_EXPIRY = re.compile("[0-9]{1,12}")  # seconds since 1970
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Attachments of the old installation are in chat/ itself: their senders are unknown.
_UNGUARDED_FOLDER = rf"(?:avatars|covers|chat(?:/{_UUID})?)"
_NAME = re.compile(rf"{FOLDER}/({_UUID})(?:\.[a-z]+)?\.(?:{'|'.join(EXTENSIONS)})")
_UNGUARDED_NAME = re.compile(rf"{_UNGUARDED_FOLDER}/{_UUID}(?:\.[a-z]+)?\.[a-z0-9]{{2,4}}")
_INLINE_TYPE = re.compile("(image/(jpeg|png|webp|gif)|audio/|video/)")  # others are downloaded
_UNKNOWN_TYPE = "application/octet-stream"
_SIGNER = Signer(salt="posts.files")


def store_image(image_id: UUID, checked: CheckedImage) -> str:
    """Store a picture and its renditions; return the picture's name in the storage."""
    for name, data in checked.renditions.items():
        default_storage.save(f"{FOLDER}/{image_id}.{name}.webp", ContentFile(data))
    if checked.original is not None:
        name = f"{FOLDER}/{image_id}.original.{checked.original_extension}"
        default_storage.save(name, ContentFile(checked.original))
    name = f"{FOLDER}/{image_id}.{checked.extension}"
    return default_storage.save(name, ContentFile(checked.data))


def remove_image(image_id: UUID) -> None:
    """Delete all files of an image, as far as they exist."""
    for name in settings.UPLOAD_THUMBNAIL_WIDTHS:
        default_storage.delete(f"{FOLDER}/{image_id}.{name}.webp")
    for extension in EXTENSIONS:
        default_storage.delete(f"{FOLDER}/{image_id}.{extension}")
        default_storage.delete(f"{FOLDER}/{image_id}.original.{extension}")


def file_url(image: PostImage, visibility: str, rendition: str | None = None) -> str:
    """Return the path of a picture or rendition ("thumbnail", "preview"), or its external URL."""
    if not image.image_path:
        return image.image_url
    name = f"{FOLDER}/{image.pk}.{rendition}.webp" if rendition else image.image_path
    url = f"{settings.MEDIA_URL}{name}"
    if visibility == Visibility.PUBLIC:
        return url
    # Rounded, so that URLs stay the same for a while and browsers can cache the file. At least
    # half of the lifetime is left.
    half = int(settings.UPLOAD_URL_LIFETIME.total_seconds() / 2)
    expires = (int(time.time()) // half + 2) * half
    return f"{url}?expires={expires}&signature={_signature(str(image.pk), expires)}"


def unguarded_url(name: str) -> str:
    """Return the path of a file in an unguarded folder."""
    return f"{settings.MEDIA_URL}{name}"


def is_unguarded(name: str) -> bool:
    """Return True for the name of a file in an unguarded folder."""
    return bool(_UNGUARDED_NAME.fullmatch(name))


def content_type_of(name: str) -> str:
    """Return the media type by the extension, which stands for the file's real type."""
    extension = PurePath(name).suffix[1:]
    if extension == "txt":
        return "text/plain; charset=utf-8"
    file_type = filetype.get_type(ext=extension)
    return file_type.mime if file_type else _UNKNOWN_TYPE


def is_inline(content_type: str) -> bool:
    """Return True if browsers may show the file; files of other types are downloaded."""
    return bool(_INLINE_TYPE.match(content_type))


def can_view(viewer: Viewer, name: str, *, expires: str, signature: str) -> bool:
    """Check that the name is valid, and that its signature or the visibility rule allows access."""
    if is_unguarded(name):
        return True
    image_id = image_id_of(name)
    if image_id is None:
        return False
    if is_signed(image_id, expires, signature):
        return True
    return PostImage.objects.visible_to(viewer).filter(pk=image_id).exists()


def image_id_of(name: str) -> UUID | None:
    """Return the id of the image that a file belongs to; None for other names."""
    match = _NAME.fullmatch(name)
    return UUID(match[1]) if match else None


def is_signed(image_id: UUID, expires: str, signature: str) -> bool:
    if not _EXPIRY.fullmatch(expires) or int(expires) < time.time():
        return False
    return constant_time_compare(signature, _signature(str(image_id), int(expires)))


def _signature(image_id: str, expires: int) -> str:
    return _SIGNER.signature(f"{image_id}:{expires}")
