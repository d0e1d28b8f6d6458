"""Files that members send each other: pictures, audio, video and documents.

The type is detected from the content; the declared name and type are ignored. Pictures, audio and
video lose their metadata, such as the place and the device; documents are stored as they are.
"""

from uuid import UUID, uuid4

import filetype
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile

from media.images import check_images, read_upload
from media.metadata import strip_recording
from smimso.errors import InvalidInput

FOLDER = "chat"
DOCUMENTS = {
    *("pdf", "doc", "docx", "odt", "rtf", "epub", "xls", "xlsx", "ods", "ppt", "pptx", "odp"),
    *("zip", "rar", "7z", "gz", "tar"),
}
TEXT = "txt"  # also source code and HTML, which are served as plain text


def store_attachment(user_id: UUID, upload: UploadedFile) -> str:
    """Store a file as `chat/<user id>/<uuid>.<ext>`; return this name. Raises InvalidInput.

    The extension is that of the detected type.
    """
    data = read_upload(upload)
    file_type = filetype.guess(data)
    if file_type is not None and file_type.mime.startswith("image/"):
        upload.seek(0)
        checked = check_images([upload])[0]
        data, extension = checked.data, checked.extension
    elif file_type is not None and file_type.mime.startswith(("audio/", "video/")):
        data, extension = _strip(data, file_type.extension), file_type.extension
    else:
        extension = _document_extension(data, file_type)
    return default_storage.save(f"{FOLDER}/{user_id}/{uuid4()}.{extension}", ContentFile(data))


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
