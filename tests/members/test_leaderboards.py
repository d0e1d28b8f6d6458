"""Leaderboards: all members, public posts, one query, also without Redis."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from posts.models import Comment, Post

pytestmark = pytest.mark.django_db
Member = Callable[..., User]
BOARDS = ("top-creators", "most-favorite", "most-viewed", "most-active")


def board(name: str, **query: Any) -> list[dict[str, Any]]:
    response = APIClient().get(f"/api/users/{name}", query)
    assert response.status_code == 200
    body = response.json()
    assert body["success"] is True
    entries: list[dict[str, Any]] = body["data"]
    return entries


def make_post(author: User, visibility: str = "public", *, days: int = 0, **fields: Any) -> Post:
    post = Post.objects.create(user=author, title="x", visibility=visibility, **fields)
    if days:
        Post.objects.filter(pk=post.pk).update(created_at=timezone.now() - timedelta(days=days))
    return post


@pytest.fixture
def cast(member: Member) -> dict[str, User]:
    """Mai leads by likes, Linh by recent views, An by activity; only public posts count."""
    cast = {name: member(name) for name in ("Mai", "Linh", "An", "Gone", "Hidden", "Silent")}
    User.objects.filter(pk=cast["Gone"].pk).update(is_active=False)
    make_post(cast["Mai"], like_count=7, view_count=900, days=40)
    make_post(cast["Mai"], "private", like_count=1000, view_count=1000)
    first = make_post(cast["Linh"], like_count=2, view_count=50)
    make_post(cast["Linh"], like_count=3, view_count=5)
    make_post(cast["Gone"], like_count=99, view_count=99)
    hidden = make_post(cast["Hidden"], "friends", like_count=99, view_count=99)
    for _ in range(9):
        Comment.objects.create(user=cast["An"], post=first, content="x")
        Comment.objects.create(user=cast["Hidden"], post=hidden, content="x")
    make_post(cast["An"], days=40)
    return cast


@pytest.mark.usefixtures("cast")
def test_each_board_ranks_by_its_own_score() -> None:
    def scores(name: str, *fields: str) -> list[tuple[Any, ...]]:
        return [tuple(row[field] for field in ("first_name", *fields)) for row in board(name)]

    assert scores("top-creators", "totalLikes") == [("Mai", 7), ("Linh", 5)]
    assert scores("most-favorite", "totalLikes", "totalViews", "totalPosts") == [
        ("Mai", 7, 900, 1),
        ("Linh", 5, 55, 2),
    ]
    assert scores("most-viewed", "totalViews") == [("Linh", 55)]
    assert scores("most-active", "totalPosts", "totalComments", "recentPosts", "activityScore") == [
        ("An", 1, 9, 0, 11),
        ("Linh", 2, 0, 2, 10),
        ("Mai", 1, 0, 0, 2),
    ]


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.usefixtures("cast")
def test_entries_are_cards_with_whole_numbers(name: str) -> None:
    for row in board(name):
        assert {"id", "first_name", "last_name", "avatar_url", "bio", "job"} < row.keys()
        assert not {"email", "phone", "password", "google_id"} & row.keys()
        totals = [value for key, value in row.items() if key.startswith("total")]
        assert totals
        assert all(isinstance(total, int) for total in totals)


@pytest.mark.parametrize("name", BOARDS)
def test_one_query_for_any_number_of_members_and_none_the_second_time(
    name: str, cast: dict[str, User], member: Member
) -> None:
    for number in range(5):
        make_post(member(f"More{number}"), like_count=1, view_count=1)
    with CaptureQueriesContext(connection) as queries:
        first = board(name)
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        assert board(name) == first
    assert len(queries) == 0


@pytest.mark.parametrize(("limit", "number"), [("3", 3), ("0", 1), ("-5", 1), ("x", 10), ("", 10)])
def test_the_limit_is_clamped(member: Member, limit: str, number: int) -> None:
    for index in range(12):
        make_post(member(f"M{index}"), like_count=1, view_count=1)
    for name in BOARDS:
        assert len(board(name, limit=limit)) == number
        assert len(board(name, limit="100000")) == 12


def test_ties_are_always_in_the_same_order(member: Member) -> None:
    for index in range(6):
        make_post(member(f"M{index}"), like_count=1)
    first = board("top-creators", limit=100)
    cache.clear()
    assert board("top-creators", limit=100) == first
    assert board("top-creators", limit=2) == first[:2]


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.usefixtures("cast", "redis_away")
def test_without_redis_the_database_answers(name: str) -> None:
    assert board(name)


def test_an_expired_token_is_ignored() -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer expired")
    for name in BOARDS:
        assert client.get(f"/users/{name}").status_code == 200
