"""Captions of images: the author's if there is one, else the AI's."""

import importlib
from collections.abc import Callable
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from posts.ingest.pipeline import caption_images, embed_images, reconcile
from posts.models import AIStatus, Post, PostImage
from tests.posts.conftest import ColourEngine, Queues

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queues")]
Api = Callable[..., APIClient]
NewPost = Callable[..., Post]


def path(post: Post, image: PostImage | None = None) -> str:
    image_id = image.pk if image else uuid4()
    return f"/api/posts/{post.pk}/images/{image_id}"


def say(client: APIClient, post: Post, image: PostImage | None, text: Any) -> Any:
    return client.patch(path(post, image), {"user_caption": text}, format="json")


def test_the_author_s_words_come_before_the_machine_s_and_can_be_taken_back(
    api: Api, owner: User, new_post: NewPost, engine: ColourEngine
) -> None:
    post = new_post("red")
    image = post.images.get()
    assert (image.alt_text, image.caption_source) == ("", None)
    embed_images([image.pk], engine)
    caption_images([image.pk], engine)
    image.refresh_from_db()
    assert (image.alt_text, image.caption_source) == ("a red picture of nothing", "colours/words")

    data = say(api(owner), post, image, " My red door ").json()["data"]
    assert data["user_caption"] == data["alt_text"] == "My red door"
    assert data["caption_source"] == "author"
    assert data["ai_caption"] == "a red picture of nothing"
    for nothing in ("", None):
        data = say(api(owner), post, image, nothing).json()["data"]
        assert data["user_caption"] is None
        assert data["alt_text"] == "a red picture of nothing"
        assert data["caption_source"] == "colours/words"


def test_the_machine_never_overwrites_the_author_s_words(
    api: Api, owner: User, new_post: NewPost, engine: ColourEngine
) -> None:
    post = new_post("red")
    image = post.images.get()
    assert say(api(owner), post, image, "My red door").status_code == 200
    embed_images([image.pk], engine)
    caption_images([image.pk], engine)
    image.refresh_from_db()
    assert image.ai_caption == "a red picture of nothing"
    assert (image.alt_text, image.caption_source) == ("My red door", "author")


def test_a_caption_that_came_with_an_import_has_no_known_source(new_post: NewPost) -> None:
    image = new_post("red").images.get()
    image.caption = "an old caption"
    assert (image.alt_text, image.caption_source) == ("an old caption", "unknown")


def test_only_the_author_writes_and_what_is_not_there_is_not_found(
    api: Api, owner: User, stranger: User, new_post: NewPost
) -> None:
    post, other = new_post("red", visibility="private"), new_post("blue")
    image = post.images.get()
    assert say(api(stranger), post, image, "x").status_code == 404
    assert say(api(), post, image, "x").status_code == 401
    assert say(api(stranger), other, other.images.get(), "x").status_code == 403
    assert say(api(owner), post, None, "x").status_code == 404
    assert say(api(owner), post, other.images.get(), "x").status_code == 404
    assert not PostImage.objects.exclude(user_caption=None).exists()


@pytest.mark.parametrize("body", [{}, {"user_caption": "x" * 2_001}, {"user_caption": [1]}])
def test_bad_words_are_refused_and_change_nothing(
    api: Api, owner: User, new_post: NewPost, body: dict[str, Any]
) -> None:
    post = new_post("red", user_captions=["mine"])
    response = api(owner).patch(path(post, post.images.get()), body, format="json")
    assert response.status_code == 400
    assert post.images.get().user_caption == "mine"


def test_the_words_are_searched(api: Api, owner: User, new_post: NewPost) -> None:
    post = new_post("red")
    say(api(owner), post, post.images.get(), "A rhinoceros")
    found = api(owner).get("/api/posts?search=rhinoceros").json()["data"]
    assert [row["id"] for row in found] == [str(post.pk)]


def test_the_edit_page_writes_each_image_s_caption(
    client: Client, owner: User, new_post: NewPost
) -> None:
    post = new_post("red", "blue", title="T", user_captions=["", "second"])
    first, second = post.images.all()
    client.force_login(owner)
    page = client.get(f"/post/{post.pk}/edit").content.decode()
    assert f'name="caption-{first.pk}"' in page
    assert ">second</textarea>" in page
    form = {"title": "T", "visibility": "public", f"caption-{first.pk}": "first"}
    response = client.post(f"/post/{post.pk}/edit", {**form, f"caption-{second.pk}": ""})
    assert response.status_code == 302
    assert [image.user_caption for image in post.images.all()] == ["first", None]
    too_long = {**form, f"caption-{first.pk}": "x" * 2_001, "title": "another"}
    assert client.post(f"/post/{post.pk}/edit", too_long).status_code == 400
    post.refresh_from_db()
    assert post.title == "T"
    assert post.images.first().alt_text == "first"


# --- Captions that repeat themselves ------------------------------------------------------------


@pytest.mark.parametrize(
    "babble",
    ["two large large large large", "cat dog cat dog cat dog", "chó mèo chó mèo", "", "?!"],
)
def test_a_caption_that_repeats_itself_is_not_stored(
    api: Api,
    owner: User,
    new_post: NewPost,
    engine: ColourEngine,
    queues: Queues,
    monkeypatch: pytest.MonkeyPatch,
    babble: str,
) -> None:
    post = new_post("red")
    image = post.images.get()
    title = post.title
    monkeypatch.setattr(engine, "caption_images", lambda images: [babble for _ in images])
    embed_images([image.pk], engine)
    caption_images([image.pk], engine)
    post.refresh_from_db()
    image.refresh_from_db()
    assert (image.ai_status, image.ai_caption, image.alt_text) == (AIStatus.DONE, None, "")
    assert (post.title, post.caption, post.description, post.tags) == (title, None, None, None)
    assert post.ai_fields == []
    assert image.caption_source is None
    waiting = len(queues["caption"])
    reconcile()
    assert len(queues["caption"]) == waiting
    assert api(owner).get("/api/posts?search=large").json()["data"] == []


def test_stored_captions_that_repeat_are_removed_but_not_the_author_s_words(
    new_post: NewPost, engine: ColourEngine
) -> None:
    babble = "a large large large large boat"
    machine = new_post("red")
    author = new_post("red", title=babble, description=babble, user_captions=[babble])
    good = new_post("red")
    images = [post.images.get() for post in (machine, author, good)]
    embed_images([image.pk for image in images], engine)
    caption_images([image.pk for image in images], engine)
    PostImage.objects.filter(pk__in=[each.pk for each in images[:2]]).update(
        ai_caption=babble, caption=babble
    )
    Post.objects.filter(pk__in=[machine.pk, author.pk]).update(caption=babble)
    Post.objects.filter(pk=machine.pk).update(title=babble, description=babble, tags=["large"])

    migration = importlib.import_module("posts.migrations.0020_no_repetitive_captions")
    with patch.object(migration, "BATCH_SIZE", 2):
        migration.clear_captions(None, connection.schema_editor())
    before = good.images.get().ai_caption
    for row in [machine, author, good, *images]:
        row.refresh_from_db()
    assert before == good.caption == "a red picture of nothing"
    assert good.ai_fields == ["title", "description", "tags"]
    assert (machine.title, machine.caption, machine.description) == ("Untitled Post", None, None)
    assert (machine.tags, machine.ai_fields) == (None, [])
    assert {"title", "description", "tags"} <= set(machine.ai_writable_fields)
    assert (author.title, author.description, author.caption) == (babble, babble, None)
    assert "tags" in author.ai_writable_fields
    assert [each.alt_text for each in images] == ["", babble, before]
    assert not PostImage.objects.filter(ai_caption=babble).exists()
