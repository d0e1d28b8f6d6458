"""Nightly cleanup: orphan files are removed, counters corrected."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts.models import User
from posts import interactions, recount
from posts.files.cleanup import remove_orphan_files
from posts.models import Post
from posts.tasks import nightly_cleanup

pytestmark = pytest.mark.django_db


def store(name: str, *, days: float) -> Path:
    path = Path(default_storage.path(default_storage.save(name, ContentFile(b"a file"))))
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def all_files() -> set[Path]:
    return {path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()}


def test_only_old_files_that_nothing_refers_to_go(
    owner: User, stranger: User, new_post: Callable[..., Post]
) -> None:
    new_post("red", "blue", visibility="private")
    for path in all_files():
        os.utime(path, (0, 0))
    User.objects.filter(pk=owner.pk).update(
        avatar_url=f"/uploads/avatars/{owner.pk}.webp", cover_url="https://example.test/me.jpg"
    )
    store(f"avatars/{owner.pk}.webp", days=9)
    store(f"avatars/{uuid4()}.webp", days=0.9)
    store(f"posts/{uuid4()}.jpg", days=0.9)
    store(f"chat/{owner.pk}/{uuid4()}.pdf", days=9)
    store("posts/notes-of-the-admin.jpg", days=9)
    store("avatars/README.txt", days=9)
    store(f"chat/{uuid4()}.mp4", days=0.9)
    store(f"chat/{uuid4()}/{uuid4()}.mp4", days=0.9)
    store("chat/notes-of-the-admin.txt", days=9)
    kept = all_files()
    lost = uuid4()
    for name in (f"{lost}.jpg", f"{lost}.thumbnail.webp", f"{lost}.preview.webp"):
        store(f"posts/{name}", days=1.1)
    store(f"avatars/{uuid4()}.jpg", days=1.1)
    store(f"covers/{uuid4()}.webp", days=1.1)
    store(f"chat/{uuid4()}.mp4", days=1.1)  # of the old installation: its sender is unknown
    store(f"chat/{uuid4()}/{uuid4()}.mp4", days=1.1)
    assert remove_orphan_files() == 7
    assert all_files() == kept
    assert remove_orphan_files() == 0


def test_without_any_file_there_is_nothing_to_do() -> None:
    assert remove_orphan_files() == 0


def test_counters_agree_with_the_rows_afterwards(owner: User, stranger: User) -> None:
    right, wrong = (Post.objects.create(user=owner, title="A post") for _ in range(2))
    for post in (right, wrong):
        interactions.like_post(user=stranger, post_id=post.pk)
        interactions.add_comment(user=stranger, post_id=post.pk, content="nice")
    Post.objects.filter(pk=wrong.pk).update(like_count=7, comment_count=0)
    assert recount.recount() == 1
    found = Post.objects.values_list("like_count", "comment_count")
    assert list(found) == [(1, 1)] * 2
    assert recount.recount() == 0


def test_beat_knows_the_task(settings: Any) -> None:
    planned = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert nightly_cleanup.name in planned
    nightly_cleanup()
