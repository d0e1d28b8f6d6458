"""Files of avatars and covers: `avatars/<uuid>.webp` and `covers/<uuid>.webp`.

As small as they are shown; older and imported ones are as they came, with other extensions.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal
from uuid import uuid4

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from media.images import Upload, check_images
from smimso.errors import InvalidInput

ImageKind = Literal["avatar", "cover"]

_FOLDERS: dict[ImageKind, str] = {"avatar": "avatars", "cover": "covers"}
_RENDITIONS: dict[ImageKind, str] = {"avatar": "thumbnail", "cover": "preview"}
_OWN = re.compile(rf"{settings.MEDIA_URL}((?:avatars|covers)/[0-9a-f-]{{36}}\.[a-z]{{3,4}})")


@contextmanager
def store_uploads(uploads: Mapping[ImageKind, Upload]) -> Iterator[dict[str, str]]:
    """The paths of their URLs, by the member's fields; the files go again when the block fails.

    Raises InvalidInput when an upload is no acceptable image.
    """
    urls: dict[str, str] = {}
    try:
        for kind, upload in uploads.items():
            urls[f"{kind}_url"] = _store(kind, upload)
        yield urls
    except BaseException:
        for url in urls.values():
            remove(url)
        raise


def _store(kind: ImageKind, upload: Upload) -> str:
    try:
        data = check_images([upload])[0].renditions[_RENDITIONS[kind]]
    except InvalidInput as error:
        error.field = kind
        raise
    name = f"{_FOLDERS[kind]}/{uuid4()}.webp"
    return f"{settings.MEDIA_URL}{default_storage.save(name, ContentFile(data))}"


def remove(url: str | None) -> None:
    """Removes the file behind the URL. Other sites' and files that are gone are no error."""
    own = _OWN.fullmatch(url or "")
    if own:
        default_storage.delete(own[1])
