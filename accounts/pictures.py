"""Files of avatars and covers: `avatars/<uuid>.webp` and `covers/<uuid>.webp`.

As small as they are shown; older and imported ones are as they came, with other extensions.
"""

import re
from typing import Literal
from uuid import uuid4

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from smimso.uploads import Upload, check_images

Kind = Literal["avatar", "cover"]

_FOLDERS: dict[Kind, str] = {"avatar": "avatars", "cover": "covers"}
_RENDITIONS: dict[Kind, str] = {"avatar": "thumbnail", "cover": "preview"}
_OWN = re.compile(rf"{settings.MEDIA_URL}((?:avatars|covers)/[0-9a-f-]{{36}}\.[a-z]{{3,4}})")


def store(kind: Kind, upload: Upload) -> str:
    """The path of its URL. Raises InvalidInput when the upload is no acceptable image."""
    data = check_images([upload])[0].renditions[_RENDITIONS[kind]]
    name = f"{_FOLDERS[kind]}/{uuid4()}.webp"
    return f"{settings.MEDIA_URL}{default_storage.save(name, ContentFile(data))}"


def remove(url: str | None) -> None:
    """Removes the file behind the URL. Other sites' and files that are gone are no error."""
    own = _OWN.fullmatch(url or "")
    if own:
        default_storage.delete(own[1])
