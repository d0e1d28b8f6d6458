"""Files that nothing refers to: a process was killed between writing them and its commit."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import User
from posts.files import access, attachments
from posts.models import PostImage

MIN_AGE = timedelta(days=1)  # what is younger may belong to a row that is about to be committed
_BATCH = 1000  # files


def remove_orphan_files() -> int:
    """The number of files removed. What this site never named like that is left alone."""
    removed = 0
    for name in (*_images_without_a_row(), *_pictures_of_nobody(), *_attachments_of_nobody()):
        try:
            old = default_storage.get_modified_time(name) < timezone.now() - MIN_AGE
        except FileNotFoundError:
            continue
        if old:
            default_storage.delete(name)
            removed += 1
    return removed


def _images_without_a_row() -> Iterator[str]:
    names = _names_in(access.FOLDER)
    for start in range(0, len(names), _BATCH):
        image_ids = {name: access.image_id_of(name) for name in names[start : start + _BATCH]}
        ids = {image_id for image_id in image_ids.values() if image_id}
        known = set(PostImage.objects.filter(pk__in=ids).values_list("pk", flat=True))
        yield from (name for name, key in image_ids.items() if key and key not in known)


def _pictures_of_nobody() -> Iterator[str]:
    used: set[str | None] = set()
    for urls in User.objects.values_list("avatar_url", "cover_url").iterator():
        used.update(url for url in urls if url and url.startswith(settings.MEDIA_URL))
    for folder in ("avatars", "covers"):
        for name in _names_in(folder):
            if access.is_unguarded(name) and access.unguarded_url(name) not in used:
                yield name


def _attachments_of_nobody() -> Iterator[str]:
    """Of members who are gone, and older ones that name no sender."""
    folder = attachments.FOLDER
    yield from (name for name in _names_in(folder) if access.is_unguarded(name))
    if not default_storage.exists(folder):
        return
    senders = set(default_storage.listdir(folder)[0])
    senders -= {str(user_id) for user_id in User.objects.values_list("pk", flat=True).iterator()}
    for sender in senders:
        yield from (name for name in _names_in(f"{folder}/{sender}") if access.is_unguarded(name))


def _names_in(folder: str) -> list[str]:
    if not default_storage.exists(folder):
        return []
    return [f"{folder}/{name}" for name in default_storage.listdir(folder)[1]]
