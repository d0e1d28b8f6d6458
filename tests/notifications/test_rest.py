"""REST routes of notifications, and the rows that services store."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Follow, User
from notifications.models import Notification
from notifications.rest import stream
from notifications.services import notify, retract
from posts.models import Post

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


@pytest.fixture
def post(owner: User) -> Post:
    return Post.objects.create(user=owner, title="Sunset")


def send(user: User, actor: User, type: str = "like", **target: Any) -> None:
    notify(recipient_id=user.pk, actor_id=actor.pk, type=type, content=f"{actor} {type}", **target)


def test_the_list_has_the_form_that_the_frontend_reads(
    owner: User, stranger: User, post: Post, api: Api
) -> None:
    send(owner, stranger, post_id=post.pk)
    send(owner, stranger, "follow")
    body = api(owner).get("/api/notifications", {"page": 1, "limit": 50}).json()
    assert body.keys() == {"success", "data"}
    assert body["data"].keys() == {"notifications", "total", "unreadCount"}
    assert (body["data"]["total"], body["data"]["unreadCount"]) == (2, 2)
    follow, like = body["data"]["notifications"]
    assert (follow["type"], follow["post_id"], follow["post"]) == ("follow", None, None)
    assert like == {
        "id": like["id"],
        "user_id": str(owner.pk),
        "type": "like",
        "content": "Stranger like",
        "related_user_id": str(stranger.pk),
        "post_id": str(post.pk),
        "is_read": False,
        "created_at": like["created_at"],
        "related_user": {
            "id": str(stranger.pk),
            "first_name": "Stranger",
            "last_name": "",
            "avatar_url": None,
        },
        "post": {"id": str(post.pk), "title": "Sunset"},
    }
    assert like["created_at"].endswith("Z")


def test_pages_are_newest_first_and_end(owner: User, member: Callable[..., User], api: Api) -> None:
    for number in range(5):
        send(owner, member(f"Fan{number}"), "follow")
    client = api(owner)

    def page(number: int) -> list[str]:
        data = client.get("/notifications", {"page": number, "limit": 2}).json()["data"]
        assert data["total"] == 5
        return [item["content"] for item in data["notifications"]]

    assert [page(number) for number in (1, 2, 3, 4)] == [
        ["Fan4 follow", "Fan3 follow"],
        ["Fan2 follow", "Fan1 follow"],
        ["Fan0 follow"],
        [],
    ]
    assert client.get("/notifications?page=-1&limit=x").status_code == 200


def test_the_number_of_queries_is_constant(
    owner: User, member: Callable[..., User], post: Post, api: Api
) -> None:
    counts = set()
    for number in range(3):
        send(owner, member(f"Fan{number}"), post_id=post.pk)
        with CaptureQueriesContext(connection) as queries:
            api(owner).get("/notifications")
        counts.add(len(queries))
    assert counts == {4}


def test_reading_changes_ones_own_only(owner: User, stranger: User, post: Post, api: Api) -> None:
    send(owner, stranger, post_id=post.pk)
    send(owner, stranger, "follow")
    send(stranger, owner, "follow")
    mine = Notification.objects.filter(user=owner).first()
    assert mine is not None
    client = api(owner)
    for path in (f"{mine.pk}/read", "read-all"):
        assert APIClient().put(f"/notifications/{path}").status_code == 401
        assert api(stranger).put(f"/notifications/{path}").status_code == 200
    assert Notification.objects.filter(user=owner, is_read=True).count() == 0
    response = client.put(f"/api/notifications/{mine.pk}/read")
    expected = {"success": True, "message": "Notification marked as read", "data": None}
    assert response.json() == expected
    assert client.get("/notifications/unread-count").json()["data"] == {"count": 1}
    response = client.put("/api/notifications/read-all")
    assert response.json()["message"] == "All notifications marked as read"
    assert client.get("/notifications/unread-count").json()["data"] == {"count": 0}
    assert client.put(f"/notifications/{uuid4()}/read").status_code == 200
    assert client.put("/notifications/no-uuid/read").status_code == 404


@pytest.mark.parametrize("mount", ["", "/api"])
def test_an_expired_token_does_not_reload_the_login_page_for_ever(mount: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer expired")
    text = "Invalid or expired token. Please login again."
    body = {"success": False, "error": text, "message": text}
    for path, status in (("", 403), ("/unread-count", 401)):
        response = client.get(f"{mount}/notifications{path}")
        assert response.status_code == status
        assert response.json() == body
    assert APIClient().get(f"{mount}/notifications").status_code == 401


def test_a_repeated_action_notifies_once(owner: User, stranger: User, post: Post) -> None:
    for _ in range(3):
        send(owner, stranger, post_id=post.pk)
        send(owner, stranger, "follow")
    send(owner, owner, post_id=post.pk)
    assert Notification.objects.count() == 2
    retract(recipient_id=owner.pk, actor_id=stranger.pk, type="follow")
    assert [each.type for each in Notification.objects.all()] == ["like"]


@pytest.mark.parametrize("notification_type", ["follow", "like"])
def test_the_database_refuses_a_duplicate(
    owner: User, stranger: User, post: Post, notification_type: str
) -> None:
    target = post if notification_type == "like" else None  # NULL counts as equal, too
    fields = {"user": owner, "related_user": stranger, "type": notification_type, "post": target}
    Notification.objects.create(**fields)
    with pytest.raises(IntegrityError, match="notifications_once"), transaction.atomic():
        Notification.objects.create(**fields)


def test_the_title_of_anothers_post_is_not_revealed(
    owner: User, stranger: User, post: Post, api: Api
) -> None:
    send(stranger, owner, "comment", post_id=post.pk)
    data = api(stranger).get("/notifications").json()["data"]
    assert data["notifications"][0]["post"] is None


def test_without_redis_the_notification_is_stored(
    owner: User, stranger: User, redis_away: None, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        send(owner, stranger, "follow")
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("ends_by", ["narrowing", "unfollowing", "deactivation"])
def test_notifications_about_an_invisible_post_are_hidden(
    owner: User, friend: User, stranger: User, api: Api, ends_by: str
) -> None:
    post = Post.objects.create(user=owner, title="Sunset", visibility="friends")
    send(friend, stranger, "comment", post_id=post.pk)
    send(friend, stranger, "follow")
    comment = Notification.objects.get(type="comment")

    def seen() -> tuple[int, int, int, int, bool]:
        data = api(friend).get("/notifications").json()["data"]
        count = api(friend).get("/notifications/unread-count").json()["data"]["count"]
        listed = len(data["notifications"])
        snapshot = stream.notification_list(friend.pk, page=1, limit=50)["total"]
        live = stream.load_notification(friend.pk, str(comment.pk)) is not None
        return listed, data["unreadCount"], count, snapshot, live

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream.connection, "close", lambda: None)
        assert seen() == (2, 2, 2, 2, True)
        if ends_by == "narrowing":
            api(owner).put(f"/posts/{post.pk}", {"visibility": "private"}, format="json")
        elif ends_by == "unfollowing":
            api(owner).delete(f"/users/{friend.pk}/follow")
            assert not Follow.objects.filter(follower=owner).exists()
        else:
            User.objects.filter(pk=owner.pk).update(is_active=False)
        assert seen() == (1, 1, 1, 1, False)


def test_a_failed_retraction_never_fails_the_action(
    owner: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(owner, stranger, "follow")

    def fail(*_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setattr("notifications.models.NotificationQuerySet.delete", fail)
    retract(recipient_id=owner.pk, actor_id=stranger.pk, type="follow")
    assert Notification.objects.count() == 1
