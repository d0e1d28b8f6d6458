"""Avatars and covers: web addresses stay, files of the old backend become ours."""

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from uuid import UUID, uuid5

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts.models import User
from importer.old_files import NoFile, OldFiles, workers
from importer.rows import Row

FOLDERS = {"avatar_url": "avatars", "cover_url": "covers"}

Portraits = dict[tuple[UUID, str], str | None]


def portraits_of(rows: Sequence[Row], files: OldFiles) -> Portraits:
    """Each member's URLs by (id, column), as they are to be stored."""
    users = User.objects.filter(pk__in=[row.id for row in rows])
    known: dict[UUID, tuple[datetime | None, dict[str, str | None]]] = {
        user["pk"]: (user["updated_at"], {column: user[column] for column in FOLDERS})
        for user in users.values("pk", "updated_at", *FOLDERS)
    }
    found: Portraits = {}
    pending: dict[tuple[UUID, str], tuple[Row, Future[str]]] = {}
    for row in rows:
        updated_at, urls = known.get(row.id, (None, {}))
        for column in FOLDERS:
            url, key = row.words(column), (row.id, column)
            if not url or files.is_external(url):
                found[key] = url or None
            elif updated_at and _is_settled(row, updated_at, urls[column]):
                found[key] = urls[column]
            else:
                pending[key] = row, workers.submit(_store, files, row.id, FOLDERS[column], url)
    for key, (row, future) in pending.items():
        try:
            found[key] = future.result()
        except NoFile as error:
            row.note(f"{key[1]} not taken: {error}")
            found[key] = known.get(row.id, (None, {}))[1].get(key[1])
    return found


def _is_settled(row: Row, ours: datetime, url: str | None) -> bool:
    """Not to be read again: unchanged, or changed here since. A missing file may have come."""
    theirs = row.moment("updated_at")
    return theirs is None or theirs < ours or (theirs == ours and url is not None)


def _store(files: OldFiles, user_id: UUID, folder: str, url: str) -> str:
    checked = files.checked(url)
    # The same name every time: what a run that was cut off left behind is written over.
    name = f"{folder}/{uuid5(user_id, url)}.{checked.extension}"
    if files.keep:
        default_storage.delete(name)
        default_storage.save(name, ContentFile(checked.data))
    return f"{settings.MEDIA_URL}{name}"
