"""The full-text index follows every change of a text, whatever program writes it."""

import importlib
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection, transaction

from accounts.models import Category, User
from posts.full_text import filter_by_words
from posts.models import Post, PostImage

pytestmark = pytest.mark.django_db
NewPost = Callable[..., Post]


def found(words: str) -> list[str]:
    return [post.title for post in filter_by_words(Post.objects.order_by("title"), words)]


@pytest.fixture
def post(vector_post: NewPost) -> Post:
    return vector_post(None, title="Post", description="before")


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Post after"},
        {"description": "after"},
        {"tags": ["after"]},
    ],
)
def test_an_update_of_many_posts_is_found(change: dict[str, Any], post: Post) -> None:
    Post.objects.update(**change)
    assert len(found("after")) == 1


def test_what_is_overwritten_is_found_no_more(post: Post) -> None:
    post.description = None
    post.save(update_fields=["description"])
    assert found("before") == []


@pytest.mark.parametrize("name", ["ai_caption", "user_caption", "caption"])
def test_captions_come_and_go(name: str, post: Post) -> None:
    PostImage.objects.update(**{name: "after"})
    assert found("after") == ["Post"]
    PostImage.objects.update(**{name: None})
    assert found("after") == []


def test_an_image_takes_its_words_away(post: Post, vector_post: NewPost) -> None:
    other = vector_post(title="Other")
    image = post.images.create(image_url="https://a.example/b.jpg", ai_caption="after")
    assert found("after") == ["Post"]
    image.post = other
    image.save()
    assert found("after") == ["Other"]
    image.delete()
    assert found("after") == []


def test_a_member_is_renamed(post: Post, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(last_name="After")
    assert found("after") == ["Post"]


def test_a_category_is_renamed_or_taken(post: Post) -> None:
    category = Category.objects.create(name="Earlier", slug="earlier", prompt="x")
    Post.objects.update(category=category)
    assert found("earlier") == ["Post"]
    Category.objects.filter(pk=category.pk).update(name="After")
    assert (found("earlier"), found("after")) == ([], ["Post"])
    Post.objects.update(category=None)
    assert found("after") == []


def test_rows_of_another_program_are_found(owner: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO posts (id, user_id, title, visibility, view_count, like_count,"
            " comment_count, open_fields, created_at, updated_at)"
            " SELECT gen_random_uuid(), %s, 'raw ' || n, 'public', 0, 0, 0, '{}', now(), now()"
            " FROM generate_series(1, 3) AS n",
            [owner.pk],
        )
    assert found("raw") == ["raw 1", "raw 2", "raw 3"]


def test_likes_and_views_write_no_words(post: Post) -> None:
    written = "SELECT xmin FROM post_words WHERE post_id = %s"
    with connection.cursor() as cursor:
        cursor.execute(written, [post.pk])
        before = cursor.fetchone()
    with transaction.atomic():  # a subtransaction writes with a transaction id of its own
        Post.objects.update(like_count=1, view_count=1)
        with connection.cursor() as cursor:
            cursor.execute(written, [post.pk])
            assert cursor.fetchone() == before


def test_a_post_goes_with_its_words(post: Post) -> None:
    post.images.update(ai_caption="with words")
    with transaction.atomic():
        post.delete()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SELECT count(*) FROM post_words")
            assert cursor.fetchone() == (0,)


def test_a_text_without_end_can_be_written(vector_post: NewPost) -> None:
    vector_post(title="Long", description=" ".join(f"đwort{n}" for n in range(200_000)))
    assert found("long dwort12") == ["Long"]


# --- Migrations ---------------------------------------------------------------------------------


def test_the_migration_renews_old_documents_in_batches(vector_post: NewPost) -> None:
    """Old documents were split by the parser of PostgreSQL."""
    for number in range(5):
        vector_post(title=f"żaba {number} 🐱")
    migration = importlib.import_module("posts.migrations.0016_words_in_all_scripts")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE post_words SET document = to_tsvector('simple', 'z aba')")
    assert found("żaba") == []
    with patch.object(migration, "BATCH_SIZE", 2):
        migration.renew(None, connection.schema_editor())
    assert len(found("żaba")) == len(found("🐱")) == 5


def test_the_migration_merges_spellings_of_a_tag(vector_post: NewPost) -> None:
    tags: list[list[str] | None] = [["#hoàng hôn", "Sunset", "sunset"], ["#"], ["sea"], None, []]
    posts = [vector_post(title=f"Post {number}") for number in range(len(tags))]
    for post, written in zip(posts, tags, strict=True):
        Post.objects.filter(pk=post.pk).update(tags=written)
    migration = importlib.import_module("posts.migrations.0017_normal_form_of_tags")
    with patch.object(migration, "BATCH_SIZE", 2):
        migration.normalize_tags(None, connection.schema_editor())
    stored = [Post.objects.get(pk=post.pk).tags for post in posts]
    assert stored == [["hoàng hôn", "Sunset"], None, ["sea"], None, None]
    assert found("hoang hon") == ["Post 0"]
