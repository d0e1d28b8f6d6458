"""DELETE /posts/:id: rows, files and notifications; other members' posts are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from rest_framework.test import APIClient

from accounts.models import User
from notifications.models import Notification
from posts.models import Activity, Comment, Like, Post, PostImage, SavedPost
from posts.services import create_post, delete_post
from tests.posts.rows import invalid, make_post, same_as_before

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


def files_of(post: Post) -> list[Path]:
    folder = settings.MEDIA_ROOT / "posts"
    return [path for image in post.images.all() for path in sorted(folder.glob(f"{image.pk}.*"))]


@pytest.fixture
def album(owner: User, picture: Callable[..., bytes]) -> Post:
    uploads: list[Any] = [
        SimpleUploadedFile("one.jpg", picture()),
        SimpleUploadedFile("two.png", picture(format="PNG")),
    ]
    return create_post(author=owner, uploads=uploads)


def test_takes_everything_of_it_and_nothing_else(
    api: Api,
    owner: User,
    stranger: User,
    album: Post,
    django_capture_on_commit_callbacks: Any,
) -> None:
    other = make_post(owner)
    for post in (album, other):
        for path in ("like", "save"):
            api(stranger).post(f"/api/posts/{post.pk}/{path}")
        api(stranger).post(f"/api/posts/{post.pk}/comments", {"content": "x"}, format="json")
        api(stranger).get(f"/api/posts/{post.pk}")
    files = files_of(album)
    assert len(files) == 6  # two pictures, each with two renditions

    with django_capture_on_commit_callbacks(execute=True):
        response = api(owner).delete(f"/api/posts/{album.pk}")

    assert response.status_code == 200
    assert response.json() == {
        "success": True,
        "message": "Post deleted successfully",
        "data": None,
    }
    assert not any(path.exists() for path in files)
    assert Post.objects.get() == other
    assert PostImage.objects.get().post == other
    for model in (Like, SavedPost, Comment):
        assert model.objects.get().post == other
    assert set(Notification.objects.values_list("post", flat=True)) == {other.pk}
    assert set(Activity.objects.values_list("post", flat=True)) == {other.pk}
    invalid(api(owner).delete(f"/api/posts/{album.pk}"), 404, "Post not found")


@pytest.mark.django_db(transaction=True)
def test_the_files_stay_when_the_deletion_is_undone(owner: User, album: Post) -> None:
    with transaction.atomic():
        delete_post(user=owner, post_id=album.pk)
        transaction.set_rollback(True)
    assert len(files_of(album)) == 6


@pytest.mark.parametrize(
    ("visibility", "status", "text"),
    [
        ("public", 403, "You can only delete your own posts"),
        ("friends", 404, "Post not found"),
        ("private", 404, "Post not found"),
    ],
)
def test_a_stranger_may_not(
    api: Api, album: Post, follower: User, visibility: str, status: int, text: str
) -> None:
    Post.objects.update(visibility=visibility)
    album.refresh_from_db()
    invalid(api(follower).delete(f"/api/posts/{album.pk}"), status, text)
    assert same_as_before(album)
    assert len(files_of(album)) == 6


def test_a_token_is_required(api: Api, owner: User) -> None:
    post = make_post(owner)
    assert api().delete(f"/api/posts/{post.pk}").status_code == 401
    assert same_as_before(post)
