"""Removal of orphan files, which a process leaves if it is killed before its commit."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import User
from posts.files import access, attachments
from posts.models import PostImage

MIN_AGE = timedelta(days=1)  # a younger file may belong to a row that is about to be committed
_BATCH_SIZE = 1000  # files


def remove_orphan_files() -> int:
    """Delete files that no row refers to; return their number. Keep files with foreign names."""
    removed = 0
    for name in (*_orphan_images(), *_orphan_profile_images(), *_orphan_attachments()):
        try:
            is_old = default_storage.get_modified_time(name) < timezone.now() - MIN_AGE
        except FileNotFoundError:
            continue
        if is_old:
            default_storage.delete(name)
            removed += 1
    return removed


def _orphan_images() -> Iterator[str]:
    names = _names_in(access.FOLDER)
    for start in range(0, len(names), _BATCH_SIZE):
        image_ids = {name: access.image_id_of(name) for name in names[start : start + _BATCH_SIZE]}
        valid_ids = {image_id for image_id in image_ids.values() if image_id}
        existing = set(PostImage.objects.filter(pk__in=valid_ids).values_list("pk", flat=True))
        yield from (name for name, pk in image_ids.items() if pk and pk not in existing)


def _orphan_profile_images() -> Iterator[str]:
    used: set[str | None] = set()
    for urls in User.objects.values_list("avatar_url", "cover_url").iterator():
        used.update(url for url in urls if url and url.startswith(settings.MEDIA_URL))
    for folder in ("avatars", "covers"):
        for name in _names_in(folder):
            if access.is_unguarded(name) and access.unguarded_url(name) not in used:
                yield name


def _orphan_attachments() -> Iterator[str]:
    """Yield attachments of deleted members, and those of the old installation without a sender."""
    folder = attachments.FOLDER
    yield from (name for name in _names_in(folder) if access.is_unguarded(name))
    if not default_storage.exists(folder):
        return
    senders = set(default_storage.listdir(folder)[0])
    senders -= {str(user_id) for user_id in User.objects.values_list("pk", flat=True).iterator()}
    for sender in senders:
        names = _names_in(f"{folder}/{sender}")
        yield from (name for name in names if access.is_unguarded(name))


def _names_in(folder: str) -> list[str]:
    if not default_storage.exists(folder):
        return []
    return [f"{folder}/{name}" for name in default_storage.listdir(folder)[1]]
