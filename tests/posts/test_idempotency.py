"""A request that is sent again, because no response came in time, creates one post."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from posts.models import Post
from tests.posts.conftest import stored_files, upload

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def _retries_count(settings: Any) -> None:
    settings.POST_RETRY_SECONDS = 300


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


@pytest.mark.django_db(transaction=True)
def test_retries_that_overtake_each_other_make_one_post(api: Api, owner: User) -> None:
    """With a connection for each thread."""
    start = threading.Barrier(4)
    ids: list[str] = []

    def post() -> None:
        client = api(owner)
        start.wait()
        try:
            ids.append(create(client, "red"))
        finally:
            connection.close()

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4
    assert set(ids) == {str(Post.objects.get().pk)}
    assert len(stored_files()) == 3  # the picture and two smaller ones
