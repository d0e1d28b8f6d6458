"""A healthy database is imported completely: every row, every value."""

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection

from accounts.models import Category, Follow, Survey, User
from notifications.models import Notification
from posts.models import Activity, Comment, Like, Post, PostImage, SavedPost
from tests.importer.node_database import BASE, BCRYPT, LONG_AGO, NodeDatabase
from tests.importer.summary import counts

pytestmark = pytest.mark.django_db


def fill(node: NodeDatabase) -> dict[str, UUID]:
    """Add one or two rows to every table, as the old backend writes them."""
    ann, bob = node.user(email="ann@example.test"), node.user(email="bob@example.test")
    travel = node.add("categories", name="Travel", slug="travel")
    music = node.add("categories", name="Music", slug="music")
    favorites = [str(travel), str(music)]
    node.add("surveys", user_id=ann, favorite_categories=favorites, completed_at=LONG_AGO)
    post = node.post(user_id=ann, category_id=travel, tags=["lake", "blue"], caption="a lake")
    second = node.post(user_id=bob, category_id=music, visibility="private", view_count=7)
    node.image("https://images.example/lake.jpg", post_id=post)
    node.image("https://images.example/song.jpg", post_id=second)
    top = node.add("comments", user_id=bob, post_id=post)
    later = LONG_AGO + timedelta(seconds=1)
    node.add("comments", user_id=ann, post_id=post, parent_comment_id=top, created_at=later)
    for table in ("likes", "saved_posts", "user_activities", "user_activities"):
        node.add(table, user_id=bob, post_id=post)
    node.add("follows", follower_id=ann, following_id=bob)
    node.add("notifications", user_id=ann, related_user_id=bob, post_id=post, is_read=True)
    conversation = node.add("conversations", type="direct")
    node.add("messages", conversation_id=conversation, sender_id=ann)
    return {"ann": ann, "bob": bob, "travel": travel, "music": music, "post": post, "top": top}


MODELS = (Survey, Post, PostImage, Comment, Like, SavedPost, Activity, Follow, Notification, User)


def test_every_row_is_imported(node: NodeDatabase, run_import: Callable[..., str]):
    fill(node)
    tables = counts(run_import(node))
    for model in MODELS:
        table = model._meta.db_table
        [(expected,)] = node.run(f"SELECT count(*) FROM {table}")
        assert model.objects.count() == expected == tables[table]["imported"], table
    for line in tables.values():
        assert line["read"] == sum(
            line[name] for name in ("imported", "updated", "same", "skipped")
        )


def test_values_are_the_same_to_the_microsecond(node: NodeDatabase, run_import):
    ids = fill(node)
    run_import(node)
    post_columns = (
        "id, user_id, title, tags, visibility, view_count, caption, created_at, updated_at"
    )
    with connection.cursor() as cursor:
        for table, columns in {
            "posts": post_columns,
            "users": "id, email, first_name, auth_provider, created_at, updated_at",
            "comments": "id, user_id, post_id, parent_comment_id, content, created_at, updated_at",
            "likes": "*",
            "saved_posts": "*",
            "follows": "id, follower_id, following_id, created_at",
            "post_images": "id, post_id, image_url, display_order, created_at, user_caption",
        }.items():
            query = f"SELECT {columns} FROM {table} ORDER BY id"
            cursor.execute(query.replace("*", "id, user_id, post_id, created_at"))
            assert cursor.fetchall() == node.run(
                query.replace("*", "id, user_id, post_id, created_at")
            ), table
        cursor.execute("SELECT password_hash FROM users ORDER BY id")
        stored_hashes = cursor.fetchall()
    assert stored_hashes == node.run("SELECT 'bcrypt$' || password_hash FROM users ORDER BY id")
    assert User.objects.get(pk=ids["ann"]).created_at == LONG_AGO


def test_profiles(node: NodeDatabase, run_import):
    ann = node.user(phone="0901234567", date_of_birth=date(1990, 5, 1), job="artist", bio="Hello")
    google = node.user(password_hash=None, google_id="g-1", auth_provider="google")
    run_import(node)
    user = User.objects.get(pk=ann)
    assert (user.phone, user.date_of_birth, user.job) == (
        "+84901234567",
        date(1990, 5, 1),
        "artist",
    )
    assert user.password == f"bcrypt${BCRYPT}"
    assert (user.is_staff, user.is_superuser) == (False, False)
    user = User.objects.get(pk=google)
    assert (user.google_id, user.auth_provider) == ("g-1", "google")
    assert not user.has_usable_password()


def test_categories_are_matched_by_slug_or_created(node: NodeDatabase, run_import):
    ids = fill(node)
    run_import(node)
    existing = Category.objects.get(slug="travel")
    assert existing.pk != ids["travel"]
    assert Post.objects.get(pk=ids["post"]).category == existing
    music = Category.objects.get(pk=ids["music"])
    assert (music.name, music.slug, music.prompt) == ("Music", "music", "music")
    assert Survey.objects.get().favorite_categories == [str(existing.pk), str(music.pk)]


def test_a_vietnamese_category_is_described_by_its_slug(node: NodeDatabase, run_import):
    renamed = node.add("categories", name="nghệ thuật", slug="fine-art")  # exists here by this name
    new = node.add("categories", name="Âm nhạc", slug="folk-music")
    run_import(node)
    assert not Category.objects.filter(pk=renamed).exists()
    assert Category.objects.get(pk=new).prompt == "folk music"


def test_the_ai_never_fills_in_imported_posts(node: NodeDatabase, run_import):
    post = node.post(title="x", description=None)
    run_import(node)
    assert Post.objects.get(pk=post).ai_writable_fields == []


def test_counters_are_corrected_from_the_rows(node: NodeDatabase, run_import):
    ids = fill(node)
    node.run("UPDATE posts SET like_count = 99, comment_count = 2, view_count = 41")
    summary = run_import(node)
    post = Post.objects.get(pk=ids["post"])
    assert (post.like_count, post.comment_count, post.view_count) == (1, 2, 41)
    assert post.updated_at == LONG_AGO
    assert "posts: 2 × like_count or comment_count corrected" in summary


def test_chat_and_unknown_tables_and_columns_are_listed(node: NodeDatabase, run_import):
    fill(node)
    node.run("CREATE TABLE invoices (n int); INSERT INTO invoices VALUES (1), (2)")
    node.run("ALTER TABLE posts ADD mood text")
    summary = run_import(node)
    assert "messages: 1 rows; chat is not supported yet" in summary
    assert "conversations: 1 rows; chat is not supported yet" in summary
    assert "invoices: 2 rows; SMIMSO has no such table" in summary
    assert "posts: unknown columns mood" in summary


def test_the_oldest_schema(make_node: Callable[[str], NodeDatabase], run_import):
    """The source is from before all migrations: no vectors, follows, notifications, captions."""
    node = make_node(BASE)
    image = node.image("https://images.example/a.jpg", caption="a boat")
    summary = run_import(node)
    stored = PostImage.objects.get(pk=image)
    assert (stored.caption, stored.ai_caption) == ("a boat", "a boat")
    assert stored.post.caption is None
    assert "follows: the source has no such table" in summary
    assert "notifications: the source has no such table" in summary


def test_rows_of_this_installation_stay(node: NodeDatabase, run_import, owner: User):
    post = Post.objects.create(user=owner, title="Mine", id=uuid4())
    fill(node)
    run_import(node)
    assert Post.objects.get(pk=post.pk).title == "Mine"
    assert User.objects.get(pk=owner.pk).check_password("correct horse")
