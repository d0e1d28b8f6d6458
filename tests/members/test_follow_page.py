"""The follow button and the counts on a member's page."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import Follow, User
from posts.visibility import Visibility
from tests.posts.rows import make_post

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def test_the_button_follows_and_unfollows(client: Client, owner: User, stranger: User) -> None:
    client.force_login(stranger)
    for value, label in [("1", "Follow"), ("0", "Unfollow"), ("1", "Follow")]:
        text = client.get(f"/members/{owner.pk}").text
        assert re.search(rf'name="on" value="{value}">\s*{label}\s*<', text)
        response = client.post(f"/members/{owner.pk}/follow", {"on": value})
        assert response.headers["Location"] == f"/members/{owner.pk}"
        assert Follow.objects.exists() == (value == "1")


def test_following_twice_counts_once_and_returns_the_counts(
    client: Client, owner: User, stranger: User
) -> None:
    client.force_login(stranger)
    for _ in range(2):
        response = client.post(f"/members/{owner.pk}/follow", {"on": "1"}, headers=HTMX)
    assert "<html" not in response.text
    assert "<strong>1</strong> follower<" in response.text
    assert Follow.objects.count() == 1


def test_only_posts_visible_to_the_viewer_are_counted(
    client: Client, owner: User, friend: User
) -> None:
    make_post(owner)
    make_post(owner, visibility=Visibility.FRIENDS)
    make_post(owner, visibility=Visibility.PRIVATE)
    url = f"/members/{owner.pk}"
    assert "<strong>1</strong> post<" in client.get(url).text
    client.force_login(friend)
    text = client.get(url).text
    assert "<strong>2</strong> posts<" in text
    assert "<strong>1</strong> following<" in text


def test_following_oneself_or_a_deactivated_member_is_refused(
    client: Client, owner: User, member: Callable[..., User]
) -> None:
    gone = member("Gone", is_active=False)
    client.force_login(owner)
    assert "/follow" not in client.get(f"/members/{owner.pk}").text
    for who in (owner, gone):
        assert client.post(f"/members/{who.pk}/follow", {"on": "1"}).status_code == 404
    assert not Follow.objects.exists()


def test_a_visitor_logs_in_first(client: Client, owner: User) -> None:
    login = f"/login?next=/members/{owner.pk}"
    assert login in client.get(f"/members/{owner.pk}").text
    assert client.post(f"/members/{owner.pk}/follow").headers["Location"] == login
    assert not Follow.objects.exists()
