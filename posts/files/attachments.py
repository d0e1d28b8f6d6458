"""Files that members send each other: pictures, voice, video, documents.

The declared name and type are never believed: what a file is, its first bytes say.
"""

from uuid import UUID, uuid4

import filetype
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile

from media.images import check_images
from smimso.errors import InvalidInput

FOLDER = "chat"
DOCUMENTS = {
    *("pdf", "doc", "docx", "odt", "rtf", "epub", "xls", "xlsx", "ods", "ppt", "pptx", "odp"),
    *("zip", "rar", "7z", "gz", "tar"),
}
TEXT = "txt"  # also what a program or a page is written in: it is never served as that


def store_attachment(user_id: UUID | None, upload: UploadedFile) -> str:
    """The name in the storage: `chat/<user id>/<uuid>.<ext>` with the extension of the real type.

    Pictures are stored without their private metadata. Raises InvalidInput.
    """
    megabytes = settings.UPLOAD_MAX_BYTES // (1024 * 1024)
    if (upload.size or 0) > settings.UPLOAD_MAX_BYTES:
        raise InvalidInput("file_too_large", number=megabytes)
    data = upload.read()
    kind = filetype.guess(data)
    if kind is not None and kind.mime.startswith("image/"):
        upload.seek(0)
        checked = check_images([upload])[0]
        data, extension = checked.data, checked.extension
    else:
        extension = _extension_of(data, kind)
    return default_storage.save(f"{FOLDER}/{user_id}/{uuid4()}.{extension}", ContentFile(data))


def remove_attachments_of(user_id: UUID) -> None:
    folder = f"{FOLDER}/{user_id}"
    if not default_storage.exists(folder):
        return
    for name in default_storage.listdir(folder)[1]:
        default_storage.delete(f"{folder}/{name}")
    default_storage.delete(folder)


def _extension_of(data: bytes, kind: filetype.Type | None) -> str:
    if kind is None and _is_text(data):
        return TEXT
    playable = kind is not None and kind.mime.startswith(("audio/", "video/"))
    if kind is None or not (playable or kind.extension in DOCUMENTS):
        raise InvalidInput("file_type_not_allowed")
    return kind.extension


def _is_text(data: bytes) -> bool:
    try:
        return bool(data) and "\0" not in data.decode()
    except UnicodeDecodeError:
        return False
