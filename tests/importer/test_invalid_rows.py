"""Rows that break our rules are changed or skipped, and the summary says so."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.hashers import is_password_usable

from accounts.models import Follow, Survey, User
from notifications.models import Notification
from posts.models import Activity, Comment, Like, Post, SavedPost
from tests.importer.node_database import BCRYPT, LONG_AGO, NodeDatabase
from tests.importer.summary import counts

pytestmark = pytest.mark.django_db
LATER = LONG_AGO + timedelta(days=1)
Run = Callable[..., str]


# --- Members ------------------------------------------------------------------------------------


def test_the_older_account_keeps_the_address(node: NodeDatabase, run_import: Run):
    young = node.user(email="Ann@Example.test", created_at=LATER)
    old = node.user(email="ann@example.test")
    post = node.post(user_id=young)
    summary = run_import(node, batch=1)
    assert User.objects.get(pk=old).email == "ann@example.test"
    assert User.objects.get(pk=young).email == f"ann+{young.hex[:8]}@example.test"
    assert Post.objects.get(pk=post).user_id == young
    assert f"users: 1 × email belongs to an older account in another spelling" in summary  # noqa: F541
    assert str(young) in summary


def test_an_account_of_this_installation_keeps_its_address(
    node: NodeDatabase, run_import: Run, owner: User
):
    imported = node.user(email="OWNER@example.test", phone="1")
    run_import(node)
    assert User.objects.get(email="owner@example.test") == owner
    assert User.objects.get(pk=imported).email == f"owner+{imported.hex[:8]}@example.test"


def test_blank_and_duplicate_phones(loose_node: NodeDatabase, run_import: Run):
    node = loose_node
    blanks = [node.user(phone=phone) for phone in ("", " ", None)]
    old = node.user(phone="0901")
    young = node.user(phone=" 0901", created_at=LATER)
    long = node.user(phone="0" * 21)
    run_import(node)
    empty = User.objects.filter(phone=None).values_list("pk", flat=True)
    assert set(empty) == {*blanks, young, long}
    assert User.objects.get(pk=old).phone == "0901"


def test_google_ids_are_unique(loose_node: NodeDatabase, run_import: Run):
    first = loose_node.user(google_id="g")
    second = loose_node.user(google_id="g", created_at=LATER)
    run_import(loose_node)
    assert User.objects.get(google_id="g").pk == first
    assert User.objects.get(pk=second).google_id is None


def test_names_and_texts_that_do_not_fit(loose_node: NodeDatabase, run_import: Run):
    user = loose_node.user(first_name=" ", last_name=None, job="j" * 300, auth_provider=None)
    long = loose_node.user(first_name="n" * 101, email="e" * 300 + "@example.test")
    summary = run_import(loose_node)
    stored = User.objects.get(pk=user)
    assert (stored.first_name, stored.last_name, stored.job) == ("User", "", "j" * 255)
    assert stored.auth_provider == "credential"
    stored = User.objects.get(pk=long)
    assert (stored.first_name, stored.email) == ("n" * 100, f"{long}@unknown.invalid")
    assert "first_name cut to 100 characters" in summary


@pytest.mark.parametrize(
    "stored_hash", ["", "hunter2", "$2a$10$placeholder", BCRYPT.replace("$2a", "$2x"), None]
)
def test_a_hash_that_is_not_bcrypt_becomes_an_unusable_password(
    node: NodeDatabase, run_import: Run, stored_hash: str | None
):
    user = node.user(password_hash=stored_hash)
    run_import(node)
    assert not is_password_usable(User.objects.get(pk=user).password)


def test_times_that_python_does_not_know(node: NodeDatabase, run_import: Run):
    user, other = node.user(), node.user(created_at=None, updated_at=None)
    node.run(
        "UPDATE users SET created_at = '-infinity', updated_at = 'infinity' WHERE id = %s", user
    )
    node.run("UPDATE users SET date_of_birth = '20000-01-01'")
    run_import(node)
    assert User.objects.get(pk=user).created_at > LATER
    assert User.objects.get(pk=other).date_of_birth is None


def test_times_without_a_zone_are_utc(node: NodeDatabase, run_import: Run):
    node.run(
        "ALTER TABLE posts ALTER created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC'"
    )
    post = node.post()
    run_import(node)
    assert Post.objects.get(pk=post).created_at == LONG_AGO


def test_surveys(loose_node: NodeDatabase, run_import: Run):
    user = loose_node.user()
    loose_node.add("surveys", user_id=user, completed_at=LONG_AGO)
    latest = loose_node.add(
        "surveys",
        user_id=user,
        completed_at=LATER,
        expectation_level=9,
        favorite_categories=["x", None],
    )
    summary = run_import(loose_node)
    survey = Survey.objects.get()
    assert survey.pk == latest
    assert (survey.expectation_level, survey.favorite_categories) == (None, ["x"])
    assert "surveys: 1 × the member has another" in summary


def test_follows(loose_node: NodeDatabase, run_import: Run):
    ann, bob = loose_node.user(), loose_node.user()
    first = loose_node.add("follows", follower_id=ann, following_id=bob)
    loose_node.add("follows", follower_id=ann, following_id=bob, created_at=LATER)
    loose_node.add("follows", follower_id=ann, following_id=ann)
    loose_node.add("follows", follower_id=ann, following_id=uuid4())
    loose_node.add("follows", follower_id=None, following_id=bob)
    summary = run_import(loose_node)
    assert Follow.objects.get().pk == first
    assert counts(summary)["follows"] == {
        "read": 5, "imported": 1, "updated": 0, "same": 0, "skipped": 4
    }  # fmt: skip
    assert "follows: 1 × the member follows themselves" in summary
    assert "follows: 1 × the same follow exists already" in summary


# --- Posts, comments and interactions -----------------------------------------------------------


def test_posts(loose_node: NodeDatabase, run_import: Run):
    node = loose_node
    node.run("ALTER TABLE posts ALTER view_count TYPE bigint")
    post = node.post(
        title=None,
        visibility="everyone",
        tags=["#a", None, "A", " "],
        category_id=uuid4(),
        view_count=2**40,
    )
    shouted = node.post(visibility="PUBLIC ", tags=None, view_count=None)
    orphan = node.post(user_id=uuid4())
    node.image("https://images.example/a.jpg", post_id=orphan)
    summary = run_import(node)
    stored = Post.objects.get(pk=post)
    assert (stored.title, stored.visibility, stored.tags) == ("Untitled Post", "private", ["a"])
    assert (stored.category, stored.view_count) == (None, 0)
    stored = Post.objects.get(pk=shouted)
    assert (stored.visibility, stored.tags, stored.view_count) == ("public", None, 0)
    assert f"posts: 1 × user_id refers to nothing that was imported (e.g. {orphan})" in summary
    assert "post_images: 1 × post_id refers to nothing that was imported" in summary
    assert "posts: 2 × has no image" in summary


def test_replies(loose_node: NodeDatabase, run_import: Run):
    node = loose_node
    post, other = node.post(), node.post()
    on = {"user_id": node.user(), "post_id": post}
    top = node.add("comments", **on)
    elsewhere = node.add("comments", **{**on, "post_id": other})
    good = node.add("comments", **on, parent_comment_id=top)  # as old as its parent
    foreign = node.add("comments", **on, parent_comment_id=elsewhere, created_at=LATER)
    missing = node.add("comments", **on, parent_comment_id=uuid4())
    itself = uuid4()
    node.add("comments", **on, id=itself, parent_comment_id=itself)
    ring = [uuid4(), uuid4()]
    for one, next_one in (ring, ring[::-1]):
        node.add("comments", **on, id=one, parent_comment_id=next_one)
    summary = run_import(node, batch=2)
    parents = dict(Comment.objects.values_list("pk", "parent_comment_id"))
    assert len(parents) == 8
    assert parents[good] == top
    assert parents[foreign] is parents[missing] is parents[itself] is None
    assert None in {parents[one] for one in ring}
    assert "belongs to another post: imported as a top-level comment" in summary
    run_import(node)
    assert dict(Comment.objects.values_list("pk", "parent_comment_id")) == parents


def test_duplicates_are_imported_once(loose_node: NodeDatabase, run_import: Run):
    user, post = loose_node.user(), loose_node.post()
    pair = {"user_id": user, "post_id": post}
    first = {table: loose_node.add(table, **pair) for table in ("likes", "saved_posts")}
    for table in ("likes", "saved_posts", "user_activities", "user_activities"):
        loose_node.add(table, **pair, created_at=LATER)
    summary = run_import(loose_node, batch=1)
    assert Like.objects.get().pk == first["likes"]
    assert SavedPost.objects.get().pk == first["saved_posts"]
    assert Activity.objects.count() == 2
    assert "likes: 1 × the member likes the post already" in summary
    assert Post.objects.get(pk=post).like_count == 1


def test_rows_whose_ids_are_not_uuids_are_skipped(loose_node: NodeDatabase, run_import: Run):
    loose_node.run("ALTER TABLE likes ALTER id TYPE text")
    loose_node.add("likes", id="17", user_id=loose_node.user(), post_id=loose_node.post())
    assert "likes: 1 × its id is not a UUID (e.g. 17)" in run_import(loose_node)


def test_notifications(loose_node: NodeDatabase, run_import: Run):
    node = loose_node
    ann, bob, post = node.user(), node.user(), node.post()
    fields = {"user_id": ann, "related_user_id": bob, "post_id": post}
    node.add("notifications", **fields)
    latest = node.add("notifications", **fields, created_at=LATER, content="Again", is_read=None)
    follow = node.add("notifications", user_id=ann, related_user_id=bob, type="follow")
    node.add("notifications", **fields, type="poke")
    node.add("notifications", user_id=ann, related_user_id=uuid4())
    node.add("notifications", user_id=uuid4())
    summary = run_import(node, batch=1)
    stored = {each.pk: each for each in Notification.objects.all()}
    assert set(stored) == {latest, follow}
    assert (stored[latest].content, stored[latest].is_read) == ("Again", False)
    assert counts(summary)["notifications"]["skipped"] == 4
    assert "notifications: 1 × a later or stored notification says the same" in summary


def test_a_phone_number_in_another_spelling_stays_as_typed(node: NodeDatabase, run_import: Run):
    old, young = node.user(phone="0912 345678"), node.user(phone="0912345678", created_at=LATER)
    run_import(node)
    run_import(node)
    assert User.objects.get(pk=old).phone == "+84912345678"
    assert User.objects.get(pk=young).phone == "0912345678"


def test_texts_are_cleaned_as_those_of_members(node: NodeDatabase, run_import: Run):
    user = node.user(first_name="\u3164", last_name="Ng\u202eọc")
    post = node.post(title="\u2800", tags=["sea", "\u200b"], description="one\r\n\u2067two\x07")
    run_import(node)
    assert User.objects.get(pk=user).full_name == "User Ngọc"
    stored = Post.objects.get(pk=post)
    assert (stored.title, stored.tags) == ("Untitled Post", ["sea"])
    assert stored.description == "one\ntwo"
