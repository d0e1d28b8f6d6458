"""Files that members send each other: pictures, audio, video and documents.

The type is detected from the content; the declared name and type are ignored. Pictures, audio and
video lose their metadata, such as the place and the device; documents are stored as they are.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import filetype
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.utils.crypto import salted_hmac

from media.formats import detect_format
from media.images import check_images, read_upload
from media.metadata import strip_recording
from posts.files.access import is_unguarded
from smimso.errors import InvalidInput, NotFound

FOLDER = "chat"
DOCUMENTS = {
    *("pdf", "doc", "docx", "odt", "rtf", "epub", "xls", "xlsx", "ods", "ppt", "pptx", "odp"),
    *("zip", "rar", "7z", "gz", "tar"),
}
TEXT = "txt"  # also source code and HTML, which are served as plain text


def store_attachment(user_id: UUID, upload: UploadedFile) -> str:
    """Store a file as `chat/<user id>/<uuid>.<ext>`; return this name. Raises InvalidInput.

    The extension is that of the detected type. The same file of the same member is stored once, so
    that a retry leaves no second one.
    """
    data = read_upload(upload)
    file_type = filetype.guess(data)
    if detect_format(data) or (file_type is not None and file_type.mime.startswith("image/")):
        upload.seek(0)
        checked = check_images([upload], user_id)[0]
        data, extension = checked.data, checked.extension
    elif file_type is not None and file_type.mime.startswith(("audio/", "video/")):
        data, extension = _strip(data, file_type.extension), file_type.extension
    else:
        extension = _document_extension(data, file_type)
    return _store_once(_name(user_id, f"{_secret_id(user_id, data)}.{extension}"), data)


def _secret_id(user_id: UUID, data: bytes) -> UUID:
    """Derive an id from the content, which nobody who knows the content can guess."""
    digest = salted_hmac("posts.files.attachments", user_id.bytes + data, algorithm="sha256")
    return UUID(bytes=digest.digest()[:16], version=4)


def _store_once(name: str, data: bytes) -> str:
    """Store a file under exactly this name, unless it is there in full; return the name."""
    if default_storage.exists(name):
        if default_storage.size(name) == len(data):
            return name
        default_storage.delete(name)  # of an upload that was interrupted
    stored = default_storage.save(name, ContentFile(data))
    if stored != name:  # the same upload at the same time was faster
        default_storage.delete(stored)
    return name


class Attachment(NamedTuple):
    """A stored file. filename: `<uuid>.<ext>`. size: bytes."""

    user_id: UUID
    filename: str
    size: int
    created_at: datetime

    @property
    def name(self) -> str:
        """Return the name in the storage."""
        return _name(self.user_id, self.filename)


def attachments_of(user_id: UUID, *, page: int, limit: int) -> tuple[list[Attachment], int]:
    """Return a page of a member's attachments, newest first, and their number. page: 1-based."""
    files = [_read(user_id, filename) for filename in _filenames(user_id)]
    newest = sorted(filter(None, files), key=lambda file: (file.created_at, file.filename))[::-1]
    return newest[(page - 1) * limit : page * limit], len(newest)


def remove_attachment(user_id: UUID, filename: str) -> None:
    """Delete one of a member's attachments. Raises NotFound."""
    name = _name(user_id, filename)
    if not is_unguarded(name) or not default_storage.exists(name):
        raise NotFound("file_not_found")
    default_storage.delete(name)


def _name(user_id: UUID, filename: str) -> str:
    return f"{FOLDER}/{user_id}/{filename}"


def _filenames(user_id: UUID) -> list[str]:
    folder = f"{FOLDER}/{user_id}"
    names = default_storage.listdir(folder)[1] if default_storage.exists(folder) else []
    return [name for name in names if is_unguarded(_name(user_id, name))]


def _read(user_id: UUID, filename: str) -> Attachment | None:
    """Return what is known of a file; None if it was deleted in the meantime."""
    name = _name(user_id, filename)
    try:
        size, time = default_storage.size(name), default_storage.get_modified_time(name)
    except FileNotFoundError:
        return None
    return Attachment(user_id, filename, size, time)


def remove_attachments_of(user_id: UUID) -> None:
    folder = f"{FOLDER}/{user_id}"
    if not default_storage.exists(folder):
        return
    for name in default_storage.listdir(folder)[1]:
        default_storage.delete(f"{folder}/{name}")
    default_storage.delete(folder)


def _strip(recording: bytes, extension: str) -> bytes:
    try:
        return strip_recording(recording, extension)
    except ValueError as error:
        raise InvalidInput("recording_not_supported") from error


def _document_extension(data: bytes, file_type: filetype.Type | None) -> str:
    if file_type is None and _is_text(data):
        return TEXT
    if file_type is not None and file_type.extension in DOCUMENTS:
        return file_type.extension
    raise InvalidInput("file_type_not_allowed")


def _is_text(data: bytes) -> bool:
    try:
        return bool(data) and "\0" not in data.decode()
    except UnicodeDecodeError:
        return False
