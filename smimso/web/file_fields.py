"""Files of a multipart form whose files are all in one field."""

from django.core.files.uploadedfile import UploadedFile
from rest_framework.request import Request

from smimso.errors import InvalidInput


def uploaded_files(request: Request, field: str, *, missing: str = "") -> list[UploadedFile]:
    """Return the files of `field`, in order.

    missing: the error's code when there is none; without it, the list may be empty. Raises
    InvalidInput, also for a file in another field.
    """
    if set(request.FILES) - {field}:
        raise InvalidInput("unexpected_file_field")
    files = request.FILES.getlist(field)
    if missing and not files:
        raise InvalidInput(missing)
    return files


def uploaded_file(
    request: Request, field: str = "image", *, missing: str = "image_required"
) -> UploadedFile:
    """Return the one file of the form; of several, the last. Raises InvalidInput."""
    return uploaded_files(request, field, missing=missing)[-1]
