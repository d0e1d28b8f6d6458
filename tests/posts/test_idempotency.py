"""A request that is sent again, because no response came in time, creates one row."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import google
from accounts.models import User
from notifications.models import Notification
from posts.models import Activity, Comment, Post
from tests.posts.conftest import stored_files, upload
from tests.posts.rows import invalid, make_post

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def _retries_count(settings: Any) -> None:
    settings.POST_RETRY_SECONDS = 300
    settings.COMMENT_RETRY_SECONDS = 60


def create(client: APIClient, *colours: str, key: str = "", **fields: Any) -> str:
    images: list[SimpleUploadedFile] = [upload(colour) for colour in colours]
    headers = {"Idempotency-Key": key} if key else {}
    form = {"images": images, **fields}
    response = client.post("/api/posts", form, format="multipart", headers=headers)
    assert response.status_code == 201, response.content
    data = response.json()["data"]
    assert len(data["images"]) == len(colours)
    return data["id"]


def test_the_same_request_again_answers_with_the_same_post(api: Api, owner: User) -> None:
    first = create(api(owner), "red", "blue", title="Sea", visibility="friends")
    files = stored_files()
    assert create(api(owner), "red", "blue", title="Sea", visibility="friends") == first
    assert Post.objects.count() == 1
    assert stored_files() == files


@pytest.mark.parametrize(
    ("colours", "fields"),
    [
        (["red"], {"title": "Sea"}),
        (["blue", "red"], {"title": "Sea"}),
        (["red", "blue"], {"title": "Sky"}),
        (["red", "blue"], {"title": "Sea", "visibility": "private"}),
        (["red", "blue"], {"title": "Sea", "user_captions": '["mine"]'}),
    ],
    ids=["fewer pictures", "another order", "another title", "for others", "a caption"],
)
def test_what_differs_is_another_post(
    api: Api, owner: User, colours: list[str], fields: dict[str, str]
) -> None:
    first = create(api(owner), "red", "blue", title="Sea")
    assert create(api(owner), *colours, **fields) != first


def test_another_member_may_post_the_same(api: Api, owner: User, stranger: User) -> None:
    assert create(api(owner), "red") != create(api(stranger), "red")


def test_after_a_while_it_is_a_deliberate_repost(api: Api, owner: User) -> None:
    first = create(api(owner), "red")
    Post.objects.update(created_at=timezone.now() - timedelta(seconds=301))
    assert create(api(owner), "red") != first


def test_a_deleted_post_can_be_created_again(api: Api, owner: User) -> None:
    first = create(api(owner), "red")
    assert api(owner).delete(f"/api/posts/{first}").status_code == 200
    assert create(api(owner), "red") != first


def test_with_a_key_only_the_same_key_is_a_retry(api: Api, owner: User) -> None:
    first = create(api(owner), "red", key="a")
    Post.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert create(api(owner), "red", key="a") == first
    assert create(api(owner), "red", key="b") != first
    Post.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert create(api(owner), "red", key="a") != first


def test_an_endless_key_is_refused(api: Api, owner: User) -> None:
    form = {"images": [upload("red")]}
    headers = {"Idempotency-Key": "k" * 256}
    response = api(owner).post("/api/posts", form, format="multipart", headers=headers)
    assert response.status_code == 400
    assert not Post.objects.exists()


def at_once(work: Callable[[], str]) -> set[str]:
    """Return the different results of four calls at the same time, each with a connection."""
    start = threading.Barrier(4)
    results: list[str] = []

    def call() -> None:
        start.wait()
        try:
            results.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    return set(results)


@pytest.mark.django_db(transaction=True)
def test_retries_that_overtake_each_other_make_one_post(api: Api, owner: User) -> None:
    assert at_once(lambda: create(api(owner), "red")) == {str(Post.objects.get().pk)}
    assert len(stored_files()) == 3  # the picture and two smaller ones


# --- Comments ---------------------------------------------------------------------------------


def comment(
    client: APIClient, post: Post, content: str = "Nice", *, key: str = "", **body: Any
) -> str:
    headers = {"Idempotency-Key": key} if key else {}
    url = f"/api/posts/{post.pk}/comments"
    response = client.post(url, {"content": content, **body}, format="json", headers=headers)
    assert response.status_code == 201, response.content
    assert response.json()["data"]["user"]["id"]
    comment_id: str = response.json()["data"]["id"]
    return comment_id


@pytest.mark.parametrize("key", ["", "a"])
def test_a_comment_sent_twice_stands_once(api: Api, owner: User, stranger: User, key: str) -> None:
    post = make_post(owner)
    first = comment(api(stranger), post, key=key)
    assert comment(api(stranger), post, " Nice ", key=key) == first
    post.refresh_from_db()
    assert post.comment_count == 1
    assert Notification.objects.count() == Activity.objects.count() == Comment.objects.count() == 1


def test_what_differs_is_another_comment(api: Api, owner: User, stranger: User) -> None:
    post, other = make_post(owner), make_post(owner)
    first = comment(api(stranger), post, key="a")
    same_key = [
        comment(api(stranger), post, "Nicer", key="a"),
        comment(api(stranger), post, key="a", parent_comment_id=first),
        comment(api(stranger), other, key="a"),
        comment(api(owner), post, key="a"),
    ]
    others = [comment(api(stranger), post, key="b"), comment(api(stranger), post)]
    assert len({first, *same_key, *others}) == 7
    assert Comment.objects.count() == 7


def test_after_a_while_the_same_words_are_meant(api: Api, owner: User) -> None:
    post = make_post(owner)
    first, keyed = comment(api(owner), post), comment(api(owner), post, key="a")
    Comment.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    assert comment(api(owner), post, key="a") == keyed
    assert comment(api(owner), post) != first
    Comment.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert comment(api(owner), post, key="a") != keyed


def test_a_deleted_comment_can_be_written_again(api: Api, owner: User) -> None:
    post = make_post(owner)
    first = comment(api(owner), post, key="a")
    assert api(owner).delete(f"/api/posts/{post.pk}/comments/{first}").status_code == 200
    assert comment(api(owner), post, key="a") != first


def test_an_endless_key_of_a_comment_is_refused(api: Api, owner: User) -> None:
    url = f"/api/posts/{make_post(owner).pk}/comments"
    headers = {"Idempotency-Key": "k" * 256}
    response = api(owner).post(url, {"content": "x"}, format="json", headers=headers)
    invalid(response, 400, "The Idempotency-Key is longer than 255 characters")
    assert not Comment.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", ["", "a"])
def test_comments_that_overtake_each_other_are_one(api: Api, owner: User, key: str) -> None:
    post = make_post(owner)
    ids = at_once(lambda: comment(api(owner), post, key=key))
    assert ids == {str(Comment.objects.get().pk)}


def test_the_form_of_a_comment_is_sent_once(client: Client, owner: User, settings: Any) -> None:
    settings.COMMENT_RETRY_SECONDS = 0  # by its key alone
    post = make_post(owner)
    client.force_login(owner)

    def key_of_a_new_form() -> str:
        match = re.search(
            r'name="request_key" value="(\w{32})"', client.get(f"/post/{post.pk}").text
        )
        assert match is not None
        return match[1]

    form = {"content": "Nice", "request_key": key_of_a_new_form()}
    for headers in ({}, {"HX-Request": "true"}, {}):
        response = client.post(f"/post/{post.pk}/comments/add", form, headers=headers)
        assert response.status_code == (200 if headers else 302)
    assert Comment.objects.count() == 1
    again = {**form, "request_key": key_of_a_new_form()}
    assert client.post(f"/post/{post.pk}/comments/add", again).status_code == 302
    assert Comment.objects.count() == 2


# --- Files and accounts -----------------------------------------------------------------------


def send_file(client: APIClient, data: bytes) -> str:
    file = {"file": SimpleUploadedFile("a.txt", data)}
    response = client.post("/api/posts/upload", file, format="multipart")
    assert response.status_code == 200, response.content
    url: str = response.json()["data"]["url"]
    return url


def test_a_file_sent_twice_is_stored_once(api: Api, owner: User, stranger: User) -> None:
    first = send_file(api(owner), b"one")
    assert send_file(api(owner), b"one") == first
    others = {send_file(api(owner), b"two"), send_file(api(stranger), b"one")}
    assert len({first, *others}) == 3
    (Path(default_storage.location) / first.removeprefix("/uploads/")).write_bytes(b"o")
    assert send_file(api(owner), b"one") == first  # the first upload was interrupted
    assert b"".join(api().get(first)) == b"one"  # type: ignore[arg-type]
    assert api(owner).get("/api/users/profile/files").json()["pagination"]["total"] == 2


@pytest.mark.django_db(transaction=True)
def test_files_that_overtake_each_other_are_one(api: Api, owner: User) -> None:
    urls = at_once(lambda: send_file(api(owner), b"one"))
    assert len(urls) == 1
    assert api(owner).get("/api/users/profile/files").json()["pagination"]["total"] == 1


REGISTRATION = {"email": "new@example.test", "password": "secret word", "first_name": "Mai"}


def test_a_registration_sent_twice_logs_in(api: Api, client: Client) -> None:
    form = {**REGISTRATION, "confirmPassword": "secret word"}
    first = api().post("/api/auth/register", form, format="json")
    again = api().post("/api/auth/register", form, format="json")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["data"]["user"]["id"] == first.json()["data"]["user"]["id"]
    page = {**REGISTRATION, "password_again": "secret word"}
    assert client.post("/register", page).headers["Location"] == "/"
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "change", [{"password": "another word"}, {"first_name": "Lan"}, {"phone": "0912345678"}]
)
def test_another_registration_is_none(api: Api, change: dict[str, str]) -> None:
    assert api().post("/api/auth/register", REGISTRATION, format="json").status_code == 201
    response = api().post("/api/auth/register", {**REGISTRATION, **change}, format="json")
    invalid(response, 400, "User with this email or phone already exists")


def test_a_registration_is_repeated_for_a_while_only(api: Api) -> None:
    api().post("/api/auth/register", REGISTRATION, format="json")
    User.objects.update(created_at=timezone.now() - timedelta(seconds=301))
    response = api().post("/api/auth/register", REGISTRATION, format="json")
    assert response.status_code == 400


@pytest.mark.django_db(transaction=True)
def test_a_token_of_google_sent_twice_makes_one_member(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = google.Identity("google-1", "mai@example.test", True, "Mai", "", None)
    monkeypatch.setattr(google, "verify_id_token", lambda token: identity)

    def log_in() -> str:
        response = api().post("/api/auth/google-login", {"token": "x"}, format="json")
        assert response.status_code == 200, response.content
        user_id: str = response.json()["data"]["user"]["id"]
        return user_id

    assert at_once(log_in) == {str(User.objects.get().pk)}
