"""Avatars and covers: web addresses stay, files of the old backend are stored here."""

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from uuid import UUID, uuid5

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts.models import User
from importer.old_files import FileUnavailable, OldFiles, workers
from importer.rows import Row

FOLDERS = {"avatar_url": "avatars", "cover_url": "covers"}

ProfileImageUrls = dict[tuple[UUID, str], str | None]


def import_profile_images(rows: Sequence[Row], files: OldFiles) -> ProfileImageUrls:
    """Store the files of avatars and covers; return the URLs to save, by (user id, column)."""
    users = User.objects.filter(pk__in=[row.id for row in rows])
    known: dict[UUID, tuple[datetime | None, dict[str, str | None]]] = {
        user["pk"]: (user["updated_at"], {column: user[column] for column in FOLDERS})
        for user in users.values("pk", "updated_at", *FOLDERS)
    }
    result: ProfileImageUrls = {}
    pending: dict[tuple[UUID, str], tuple[Row, Future[str]]] = {}
    for row in rows:
        updated_at, urls = known.get(row.id, (None, {}))
        for column in FOLDERS:
            url, key = row.stripped(column), (row.id, column)
            if not url or files.is_external(url):
                result[key] = url or None
            elif updated_at and _is_settled(row, updated_at, urls[column]):
                result[key] = urls[column]
            else:
                pending[key] = row, workers.submit(_store, files, row.id, FOLDERS[column], url)
    for key, (row, future) in pending.items():
        try:
            result[key] = future.result()
        except FileUnavailable as error:
            row.note(f"{key[1]} not imported: {error}")
            result[key] = known.get(row.id, (None, {}))[1].get(key[1])
    return result


def _is_settled(row: Row, ours: datetime, url: str | None) -> bool:
    """Return whether the file need not be read: the row is unchanged, or changed here since.

    An unchanged row without a file is read again, because the file may have turned up.
    """
    theirs = row.timestamp("updated_at")
    return theirs is None or theirs < ours or (theirs == ours and url is not None)


def _store(files: OldFiles, user_id: UUID, folder: str, url: str) -> str:
    image = files.load(url)
    # The same name every time, so that a second run overwrites what an interrupted one left.
    name = f"{folder}/{uuid5(user_id, url)}.{image.extension}"
    if files.should_store:
        default_storage.delete(name)
        default_storage.save(name, ContentFile(image.data))
    return f"{settings.MEDIA_URL}{name}"
