"""Files of avatars and covers: `avatars/<uuid>.webp` and `covers/<uuid>.webp`.

They are stored in the size in which pages show them. Imported files keep their size and extension.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from media.images import Upload, check_images
from smimso.errors import InvalidInput

ProfileImageField = Literal["avatar", "cover"]

_FOLDERS: dict[ProfileImageField, str] = {"avatar": "avatars", "cover": "covers"}
_RENDITIONS: dict[ProfileImageField, str] = {"avatar": "thumbnail", "cover": "preview"}
_LOCAL_URL = re.compile(rf"{settings.MEDIA_URL}((?:avatars|covers)/[0-9a-f-]{{36}}\.[a-z]{{3,4}})")


@contextmanager
def store_uploads(
    user_id: UUID, uploads: Mapping[ProfileImageField, Upload]
) -> Iterator[dict[str, str]]:
    """Store a member's uploads and yield their URLs, by the fields of User.

    If the block fails, the files are removed. Raises InvalidInput if an upload is not an
    acceptable image.
    """
    urls: dict[str, str] = {}
    try:
        for field, upload in uploads.items():
            urls[f"{field}_url"] = _store(user_id, field, upload)
        yield urls
    except BaseException:
        for url in urls.values():
            remove(url)
        raise


def _store(user_id: UUID, field: ProfileImageField, upload: Upload) -> str:
    try:
        data = check_images([upload], user_id)[0].renditions[_RENDITIONS[field]]
    except InvalidInput as error:
        error.field = field
        raise
    name = f"{_FOLDERS[field]}/{uuid4()}.webp"
    return f"{settings.MEDIA_URL}{default_storage.save(name, ContentFile(data))}"


def remove(url: str | None) -> None:
    """Remove the file that the URL refers to. Ignores other sites and missing files."""
    match = _LOCAL_URL.fullmatch(url or "")
    if match:
        default_storage.delete(match[1])
