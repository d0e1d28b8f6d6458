"""Members list and delete their own contributions, also where the post is hidden from them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from notifications.models import Notification
from posts import interactions
from posts.models import Comment, Like, Post, SavedPost
from posts.pages import own
from tests.conftest import UNKNOWN_ID
from tests.posts.rows import invalid, make_post
from tests.visibility import each_hidden

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
HTMX = {"HX-Request": "true"}
TITLE = "A hidden title"
KINDS = {"comments": Comment, "likes": Like, "saves": SavedPost}
PAGES = {"comments": "/activity", "likes": "/liked", "saves": "/saved", "files": "/activity/files"}


def contribute(user: User, post: Post) -> Comment:
    """Like, save and comment on a post while it is public, then restore its visibility."""
    visibility = post.visibility
    Post.objects.filter(pk=post.pk).update(visibility="public")
    interactions.like_post(user=user, post_id=post.pk)
    interactions.save_post(user=user, post_id=post.pk)
    comment = interactions.add_comment(user=user, post_id=post.pk, content="My words")
    Post.objects.filter(pk=post.pk).update(visibility=visibility)
    return comment


def counters(post: Post) -> tuple[int, int]:
    post.refresh_from_db()
    return post.like_count, post.comment_count


def own_rows(client: APIClient, kind: str) -> list[dict[str, Any]]:
    response = client.get(f"/api/users/profile/{kind}")
    assert response.status_code == 200, response.content
    assert response.json()["pagination"]["total"] == len(response.json()["data"])
    rows: list[dict[str, Any]] = response.json()["data"]
    return rows


# --- Hidden posts -----------------------------------------------------------------------------


@each_hidden()
def test_what_one_did_can_be_undone_where_the_post_is_hidden(
    api: Api, owner: User, viewer: User, visibility: str
) -> None:
    post = make_post(owner, title=TITLE, visibility=visibility)
    comment = contribute(viewer, post)
    assert Notification.objects.filter(user=owner).count() == 2
    client, url = api(viewer), f"/api/posts/{post.pk}"
    assert client.get(url).status_code == 404
    for path in ("/like", "/save", f"/comments/{comment.pk}"):
        response = client.delete(f"{url}{path}")
        assert response.status_code == 200, response.content
        assert TITLE not in response.text
    assert counters(post) == (0, 0)
    assert not any(model.objects.exists() for model in KINDS.values())
    assert not Notification.objects.exists()
    for path in ("/like", "/save", f"/comments/{comment.pk}"):
        invalid(client.delete(f"{url}{path}"), 404, "Post not found")
    for path, body in (("/like", None), ("/save", None), ("/comments", {"content": "x"})):
        invalid(client.post(f"{url}{path}", body, format="json"), 404, "Post not found")


def test_the_words_of_others_stay_where_the_post_is_hidden(
    api: Api, owner: User, stranger: User, follower: User
) -> None:
    post = make_post(owner, visibility="private")
    comment, theirs = contribute(stranger, post), contribute(follower, post)
    other = make_post(owner, visibility="private")
    for url in (
        f"/api/posts/{post.pk}/comments/{theirs.pk}",
        f"/api/posts/{other.pk}/comments/{comment.pk}",
        f"/api/posts/{other.pk}/like",
    ):
        invalid(api(stranger).delete(url), 404, "Post not found")
    assert counters(post) == (2, 2)


@each_hidden()
def test_lists_of_ones_own_show_nothing_of_a_hidden_post(
    api: Api, client: Client, owner: User, viewer: User, visibility: str
) -> None:
    post = make_post(owner, title=TITLE, visibility=visibility)
    contribute(viewer, post)
    secrets = [TITLE, "example.test/0.jpg", str(owner.pk), owner.full_name]
    for kind, model in KINDS.items():
        (row,) = own_rows(api(viewer), kind)
        assert row["id"] == str(model.objects.get().pk)
        assert (row["post_id"], row["post"]) == (str(post.pk), None)
        assert not [secret for secret in secrets if secret in str(row)]
    assert own_rows(api(viewer), "comments")[0]["content"] == "My words"
    client.force_login(viewer)
    for kind in KINDS:
        text = client.get(PAGES[kind]).text
        assert "This post is not available" in text
        shown = text.partition("<main")[2]
        assert not [secret for secret in (*secrets, str(post.pk)) if secret in shown]
    assert own_rows(api(owner), "comments") == []


def test_posts_of_deactivated_members_are_hidden_likewise(
    api: Api, owner: User, stranger: User
) -> None:
    post = make_post(owner)
    comment = contribute(stranger, post)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert own_rows(api(stranger), "comments")[0]["post"] is None
    url = f"/api/posts/{post.pk}/comments/{comment.pk}"
    assert api(stranger).delete(url).status_code == 200


def test_lists_of_the_frontend_still_leave_hidden_posts_out(
    api: Api, owner: User, stranger: User
) -> None:
    contribute(stranger, make_post(owner, visibility="private"))
    contribute(stranger, make_post(owner, title="Seen"))
    for path in ("posts/liked", "posts/saved", "users/liked-posts", "users/saved-posts"):
        body = api(stranger).get(f"/api/{path}").json()
        assert [post["title"] for post in body["data"]] == ["Seen"]
        assert body["pagination"]["total"] == 1


# --- Lists ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_lists_show_visible_posts_newest_first_in_as_many_queries_for_many(
    api: Api, owner: User, stranger: User, kind: str
) -> None:
    counts = []
    for number in (2, 5):
        for _ in range(number):
            contribute(stranger, make_post(owner, images=2))
        with CaptureQueriesContext(connection) as queries:
            rows = own_rows(api(stranger), kind)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert len(rows) == 7
    assert {row["post"]["title"] for row in rows} == {"A post"}
    times = [row["created_at"] for row in rows]
    assert times == sorted(times, reverse=True)
    second = api(stranger).get(f"/api/users/profile/{kind}?page=2&limit=3").json()
    assert [row["id"] for row in second["data"]] == [row["id"] for row in rows[3:6]]


@pytest.mark.parametrize("kind", [*KINDS, "files"])
def test_lists_need_a_login_and_say_when_they_are_empty(
    api: Api, client: Client, owner: User, kind: str
) -> None:
    assert api().get(f"/api/users/profile/{kind}").status_code == 401
    assert client.get(PAGES[kind]).headers["Location"] == f"/login?next={PAGES[kind]}"
    assert own_rows(api(owner), kind) == []
    client.force_login(owner)
    text = client.get(PAGES[kind]).text
    assert 'class="notice"' in text
    assert text.count('aria-current="page"') == 1


# --- Pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("visibility", ["public", "private"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_entry_of_a_page_can_be_removed(
    client: Client, owner: User, stranger: User, kind: str, visibility: str, headers: dict[str, str]
) -> None:
    post = make_post(owner, visibility=visibility)
    contribute(stranger, post)
    client.force_login(stranger)
    row = KINDS[kind].objects.get()
    url = f"/activity/{kind}/{row.pk}/remove"
    page = client.get(PAGES[kind]).text
    assert (url in page) is (kind == "comments" or visibility == "private")
    response = client.post(url, headers=headers)
    assert not KINDS[kind].objects.exists()
    if headers:
        assert (response.status_code, "<html" in response.text) == (200, False)
        assert 'class="removed" tabindex="-1" autofocus' in response.text
    else:
        assert response.headers["Location"] == PAGES[kind]
        assert 'role="status"' in client.get(PAGES[kind]).text
    assert counters(post) == (kind != "likes", kind != "comments")
    assert client.post(url).status_code == 302  # a second click


def test_only_ones_own_rows_are_removed(client: Client, owner: User, stranger: User) -> None:
    contribute(stranger, make_post(owner))
    client.force_login(owner)
    for kind, model in KINDS.items():
        client.post(f"/activity/{kind}/{model.objects.get().pk}/remove")
        assert model.objects.exists()
    assert client.post(f"/activity/nosuch/{UNKNOWN_ID}/remove").status_code == 404
    assert client.get(f"/activity/likes/{UNKNOWN_ID}/remove").status_code == 405
    client.logout()
    url = f"/activity/likes/{Like.objects.get().pk}/remove"
    assert client.post(url).headers["Location"] == "/login?next=/activity"
    assert Like.objects.exists()


def test_the_list_of_comments_goes_on_as_one_scrolls(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "PAGE_SIZE", 2)
    post = make_post(owner)
    for number in range(5):
        interactions.add_comment(user=owner, post_id=post.pk, content=str(number))
    client.force_login(owner)
    text, seen = client.get("/activity").text, []
    while older := re.search(r'class="older" hx-get="([^"]+)"', text):
        seen += re.findall(r'comment-text">(\d)', text)
        text = client.get(f"/activity{older[1]}", headers=HTMX).text
        assert "<html" not in text
    assert [*seen, *re.findall(r'comment-text">(\d)', text)] == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_post_that_was_hidden_meanwhile_leads_to_the_own_list(
    client: Client, owner: User, stranger: User, headers: dict[str, str]
) -> None:
    post = make_post(owner, visibility="private")
    comment = contribute(stranger, post)
    client.force_login(stranger)
    for path, form, page in (
        ("like", {"on": "0"}, "/liked"),
        ("save", {"on": "0"}, "/saved"),
        (f"comments/{comment.pk}/delete", {}, "/activity"),
    ):
        response = client.post(f"/post/{post.pk}/{path}", form, headers=headers)
        assert response.headers["HX-Redirect" if headers else "Location"] == page
    assert not any(model.objects.exists() for model in KINDS.values())
    assert client.post(f"/post/{post.pk}/like", {"on": "0"}, headers=headers).status_code == 404


# --- Files ------------------------------------------------------------------------------------


def send_file(client: APIClient, data: bytes = b"some text") -> dict[str, str]:
    upload = SimpleUploadedFile("a.txt", data)
    response = client.post("/api/posts/upload", {"file": upload}, format="multipart")
    assert response.status_code == 200, response.content
    stored: dict[str, str] = response.json()["data"]
    return stored


def test_files_are_listed_and_deleted(api: Api, owner: User, stranger: User) -> None:
    client = api(owner)
    first, second = send_file(client, b"one"), send_file(client, b"three")
    other = send_file(api(stranger), b"one")
    rows = own_rows(client, "files")
    assert {(row["url"], row["filename"], row["size"]) for row in rows} == {
        (first["url"], first["filename"], 3),
        (second["url"], second["filename"], 5),
    }
    assert all(row["created_at"] for row in rows)
    url = f"/api/users/profile/files/{first['filename']}"
    response = client.delete(url)
    assert response.json() == {
        "success": True,
        "message": "File deleted successfully",
        "data": None,
    }
    assert api().get(first["url"]).status_code == 404
    invalid(client.delete(url), 404, "File not found")
    assert [row["filename"] for row in own_rows(client, "files")] == [second["filename"]]
    invalid(client.delete(f"/api/users/profile/files/{other['filename']}"), 404, "File not found")
    assert api().get(other["url"]).status_code == 200


@pytest.mark.parametrize("name", ["..", "%2e%2e", "a.txt", "%00", f"{UNKNOWN_ID}.txt", "x" * 300])
def test_other_names_are_no_files(api: Api, owner: User, name: str) -> None:
    kept = Path(settings.MEDIA_ROOT) / "chat" / str(owner.pk) / "a.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("x")
    assert api(owner).delete(f"/api/users/profile/files/{name}").status_code == 404
    assert kept.exists()
    assert own_rows(api(owner), "files") == []


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_files_are_deleted_on_their_page(
    api: Api, client: Client, owner: User, picture: Callable[..., bytes], headers: dict[str, str]
) -> None:
    stored = send_file(api(owner), picture())
    client.force_login(owner)
    text = client.get("/activity/files").text
    assert f'<img src="{stored["url"]}"' in text
    url = f"/activity/files/{stored['filename']}/delete"
    assert url in text
    for _ in range(2):  # a second click
        assert client.post(url, headers=headers).status_code == (200 if headers else 302)
    assert own_rows(api(owner), "files") == []
