"""The inbox, and the bell on every page."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.services import follow_user
from notifications.models import Notification, NotificationType
from notifications.pages import inbox
from posts.interactions import add_comment, like_post
from tests.posts.rows import make_post

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def create_notification(user: User, **fields: Any) -> Notification:
    values = {"type": NotificationType.MENTION, "content": "Something", **fields}
    return Notification.objects.create(user=user, **values)


def unread(user: User) -> int:
    return Notification.objects.filter(user=user, is_read=False).count()


def test_the_inbox_is_in_the_members_language(client: Client, owner: User, stranger: User) -> None:
    post = make_post(owner, title="<i>Biển</i>")
    follow_user(follower=stranger, following_id=owner.pk)
    like_post(user=stranger, post_id=post.pk)
    add_comment(user=stranger, post_id=post.pk, content="Nice")
    client.force_login(owner)
    text = client.get("/inbox").text
    name = "<strong><bdi>Stranger</bdi></strong>"
    assert f"{name} follows you" in text
    assert f"{name} likes your post “<bdi>&lt;i&gt;Biển&lt;/i&gt;</bdi>”" in text
    assert f"{name} commented on your post" in text
    assert text.index("commented on") < text.index("likes your") < text.index("follows you")
    assert "đã thích bài đăng" in client.get("/inbox", headers={"Accept-Language": "vi"}).text


def test_a_name_from_right_to_left_does_not_turn_the_sentence_round(
    client: Client, owner: User, member: Callable[..., User]
) -> None:
    actor = member("\u202eLinh", email="linh@example.test", last_name="שלום")  # stored long ago
    post = make_post(owner, title="\u2067صورة")
    like_post(user=actor, post_id=post.pk)
    client.force_login(owner)
    for language, text in (
        ("en", "<strong><bdi>Linh שלום</bdi></strong> likes your post “<bdi>صورة</bdi>”"),
        ("vi", "<strong><bdi>Linh שלום</bdi></strong> đã thích bài đăng “<bdi>صورة</bdi>”"),
    ):
        page = client.get("/inbox", headers={"Accept-Language": language}).text
        assert text in page
        assert not re.search("[\u202a-\u202e]", page)


def test_a_reply_does_not_reveal_the_title_of_anothers_post(
    client: Client, owner: User, stranger: User, friend: User
) -> None:
    post = make_post(owner, title="Soon private")
    comment = add_comment(user=stranger, post_id=post.pk, content="Nice")
    reply = {"content": "Yes", "parent_comment_id": comment.pk}
    add_comment(user=friend, post_id=post.pk, **reply)
    client.force_login(stranger)
    text = client.get("/inbox").text
    assert "<strong><bdi>Friend</bdi></strong> replied to your comment" in text
    assert "Soon private" not in text


def test_opening_a_notification_marks_it_as_read_and_redirects(
    client: Client, owner: User, stranger: User
) -> None:
    post = make_post(owner)
    follow_user(follower=stranger, following_id=owner.pk)
    like_post(user=stranger, post_id=post.pk)
    client.force_login(owner)
    goals = {
        NotificationType.FOLLOW: f"/members/{stranger.pk}",
        NotificationType.LIKE: f"/post/{post.pk}",
    }
    for kind, goal in goals.items():
        notification = Notification.objects.get(type=kind)
        assert f'href="/inbox/{notification.pk}"' in client.get("/inbox").text
        assert client.get(f"/inbox/{notification.pk}").headers["Location"] == goal
    assert unread(owner) == 0


def test_a_stranger_neither_reads_nor_marks_anothers(
    client: Client, owner: User, stranger: User
) -> None:
    notification = create_notification(owner, content="For the owner")
    client.force_login(stranger)
    assert "For the owner" not in client.get("/inbox").text
    for notification_id in (notification.pk, uuid4()):
        assert client.get(f"/inbox/{notification_id}").status_code == 404
    assert client.post("/inbox/read-all").headers["Location"] == "/inbox"
    assert unread(owner) == 1


def test_all_are_marked_as_read_at_once(client: Client, owner: User) -> None:
    for _ in range(3):
        create_notification(owner, related_user=None, post=make_post(owner))
    client.force_login(owner)
    assert "Mark all as read" in client.get("/inbox").text
    assert client.get("/inbox/read-all").status_code == 405
    assert unread(owner) == 3
    assert client.post("/inbox/read-all").headers["Location"] == "/inbox"
    assert unread(owner) == 0
    assert "Mark all as read" not in client.get("/inbox").text


def test_the_bell_counts_on_every_page(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert 'class="bell-count"' not in client.get("/").text
    create_notification(owner)
    for url in ("/", "/inbox", "/inbox/bell"):
        text = client.get(url).text
        assert 'aria-label="Notifications, 1 unread"' in text
        assert 'class="bell-count" aria-hidden="true">1<' in text


def test_a_visitor_has_no_bell_and_no_inbox(client: Client) -> None:
    assert 'id="bell"' not in client.get("/").text
    assert client.get("/inbox").headers["Location"] == "/login?next=/inbox"
    assert client.get("/inbox/bell", headers=HTMX).status_code == 204
    assert client.post("/inbox/read-all").headers["Location"] == "/login?next=/inbox"


def test_the_inbox_loads_older_notifications_while_scrolling(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PAGE_SIZE", 2)
    for number in range(5):
        create_notification(owner, content=f"[{number}]", post=make_post(owner))
    client.force_login(owner)
    text, seen = client.get("/inbox").text, []
    while older := re.search(r'class="older" hx-get="([^"]+)"', text):
        seen += re.findall(r"\[(\d)\]", text)
        text = client.get(f"/inbox{older[1]}", headers=HTMX).text
        assert "<html" not in text
    assert seen + re.findall(r"\[(\d)\]", text) == ["4", "3", "2", "1", "0"]


def test_twelve_notifications_take_as_many_queries_as_three(
    client: Client, owner: User, stranger: User
) -> None:
    client.force_login(owner)
    counts = []
    for number in (3, 9):
        for _ in range(number):
            like_post(user=stranger, post_id=make_post(owner).pk)
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/inbox").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
