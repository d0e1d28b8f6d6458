"""Deleting an account removes everything of the member and nothing of anybody else."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from rest_framework.test import APIClient

from accounts.models import Follow, User
from members import services
from notifications.models import Notification
from posts import interactions
from posts.models import Activity, Comment, Like, Post, PostImage, SavedPost
from posts.services import create_post
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)
Api = Callable[..., APIClient]
Picture = Callable[..., bytes]


def new_post(author: User, data: bytes, **fields: Any) -> Post:
    uploads: list[Any] = [SimpleUploadedFile("a.jpg", data)]
    return create_post(author=author, uploads=uploads, **fields)


def delete(client: APIClient, **fields: Any) -> Any:
    return client.delete("/api/auth/me", fields, format="json")


def files() -> set[Path]:
    folder = Path(settings.MEDIA_ROOT)
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posts.ingest.queue.enqueue", lambda *_: None)


@pytest.mark.usefixtures("quiet")
def test_everything_is_deleted_and_other_counters_are_exact(
    owner: User, friend: User, stranger: User, api: Api, picture: Picture
) -> None:
    before = files()
    theirs = new_post(friend, picture())
    remaining = files()
    mine = new_post(owner, picture(), visibility="private")
    avatar = SimpleUploadedFile("a.png", picture(format="PNG"))
    api(owner).post("/users/profile/avatar", {"avatar": avatar}, format="multipart")
    note = SimpleUploadedFile("a.txt", b"a note")
    sent = api(owner).post("/posts/upload", {"file": note}, format="multipart")
    assert sent.status_code == 200
    for user in (owner, stranger):
        interactions.like_post(user=user, post_id=theirs.pk)
        interactions.save_post(user=user, post_id=theirs.pk)
    said = interactions.add_comment(user=owner, post_id=theirs.pk, content="first")
    reply = interactions.add_comment(
        user=stranger, post_id=theirs.pk, content="reply", parent_comment_id=said.pk
    )
    interactions.add_comment(
        user=friend, post_id=theirs.pk, content="to the reply", parent_comment_id=reply.pk
    )
    stays = interactions.add_comment(user=stranger, post_id=theirs.pk, content="stays")
    interactions.add_comment(
        user=owner, post_id=theirs.pk, content="mine", parent_comment_id=stays.pk
    )
    Post.objects.filter(pk=theirs.pk).update(like_count=42)  # imported: not backed by rows
    client = api(owner)

    assert delete(client, password=PASSWORD).status_code == 200

    assert client.get("/auth/me").status_code == 401
    assert not User.objects.filter(pk=owner.pk).exists()
    assert not Post.objects.filter(pk=mine.pk).exists()
    assert PostImage.objects.get().post_id == theirs.pk
    theirs.refresh_from_db()
    assert theirs.like_count == 41
    assert theirs.comment_count == 1 == Comment.objects.filter(post=theirs).count()
    assert Comment.objects.get() == stays
    assert Like.objects.get().user == stranger
    assert SavedPost.objects.get().user == stranger
    assert not Activity.objects.filter(user_id=owner.pk).exists()
    assert not Follow.objects.exists()
    assert not Notification.objects.filter(related_user_id=owner.pk).exists()
    assert files() == remaining > before


@pytest.mark.parametrize(
    "fields", [{}, {"password": ""}, {"password": "wrong"}, {"googleToken": "x"}, {"password": [1]}]
)
@pytest.mark.usefixtures("quiet")
def test_without_the_password_nothing_happens(
    owner: User, api: Api, picture: Picture, fields: dict[str, Any]
) -> None:
    new_post(owner, picture())
    remaining = files()
    response = delete(api(owner), **fields)
    assert response.status_code == 400
    assert User.objects.filter(pk=owner.pk).exists()
    assert Post.objects.count() == 1
    assert files() == remaining


@pytest.mark.usefixtures("quiet")
def test_a_stranger_deletes_only_themselves(
    owner: User, stranger: User, api: Api, picture: Picture
) -> None:
    new_post(owner, picture())
    body = {"password": PASSWORD, "id": str(owner.pk), "email": owner.email}
    assert delete(api(stranger), **body).status_code == 200
    assert delete(APIClient(), **body).status_code == 401
    assert User.objects.get() == owner
    assert Post.objects.count() == 1


@pytest.mark.usefixtures("quiet")
def test_a_deleted_member_leaves_the_leaderboard_at_once(
    owner: User, api: Api, picture: Picture
) -> None:
    new_post(owner, picture())
    Post.objects.update(like_count=3)
    assert len(api().get("/users/top-creators").json()["data"]) == 1
    delete(api(owner), password=PASSWORD)
    assert api().get("/users/top-creators").json()["data"] == []


@pytest.mark.parametrize("whose", ["theirs", "own"])
def test_a_thread_of_any_depth_is_deleted(
    owner: User, stranger: User, api: Api, whose: str
) -> None:
    author = owner if whose == "own" else stranger
    post = Post.objects.create(user=author, title="A long talk", comment_count=600)
    parent = Comment.objects.create(user=owner, post=post, content="first")
    chain = []
    for _ in range(599):
        parent = Comment(user=stranger, post=post, content="reply", parent_comment=parent)
        chain.append(parent)
    Comment.objects.bulk_create(chain)
    assert delete(api(owner), password=PASSWORD).status_code == 200
    assert not Comment.objects.exists()
    assert [post.comment_count for post in Post.objects.all()] == ([] if author == owner else [0])


def test_a_concurrent_reply_is_counted(owner: User, stranger: User) -> None:
    """A reply is written while the account is deleted: its post is locked until it is stored."""
    post = Post.objects.create(user=stranger, title="A talk")
    said = interactions.add_comment(user=owner, post_id=post.pk, content="first")
    interactions.add_comment(user=stranger, post_id=post.pk, content="stays")

    def end() -> None:
        try:
            services.delete_account(user=owner, password=PASSWORD)
        finally:
            connection.close()

    ending = Thread(target=end)
    with transaction.atomic():
        interactions.add_comment(
            user=stranger, post_id=post.pk, content="reply", parent_comment_id=said.pk
        )
        ending.start()
        ending.join(1)
        assert ending.is_alive()
    ending.join(20)
    post.refresh_from_db()
    assert post.comment_count == 1 == Comment.objects.count()
