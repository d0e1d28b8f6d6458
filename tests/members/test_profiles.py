"""Profiles: private fields stay private, and counts reveal no more than lists."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Follow, Survey, User
from posts.models import Activity, Like, Post, PostImage, SavedPost

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
Member = Callable[..., User]
LISTS = ("profile/posts", "liked-posts", "saved-posts")


def make_post(author: User, visibility: str = "public", **fields: Any) -> Post:
    post = Post.objects.create(user=author, title=visibility, visibility=visibility, **fields)
    path = f"posts/{uuid4()}.jpg"
    PostImage.objects.create(post=post, image_url=f"/uploads/{path}", image_path=path)
    return post


@pytest.fixture
def posts(owner: User) -> list[Post]:
    """Create a public post, one for friends and a private one, with 1, 10 and 100 likes."""
    kinds = ("public", "friends", "private")
    return [
        make_post(owner, kind, like_count=10**number, comment_count=2 * 10**number)
        for number, kind in enumerate(kinds)
    ]


def data(client: APIClient, path: str, **query: Any) -> Any:
    response = client.get(f"/api/users/{path}", query)
    assert response.status_code == 200, response.content
    return response.json()["data"]


def titles(client: APIClient, path: str, **query: Any) -> list[str]:
    return [post["title"] for post in data(client, path, **query)]


class TestProfiles:
    def test_the_own_profile_is_complete(self, member: Member, api: Api) -> None:
        user = member("Linh", phone="0912345678", date_of_birth="1999-12-31", google_id="secret")
        Survey.objects.create(user=user, favorite_categories=["x"], completed_at=timezone.now())
        response = api(user).get("/api/users/profile")
        profile = response.json()["data"]
        assert profile["email"] == user.email
        assert profile["date_of_birth"] == "1999-12-31"
        assert profile["statistics"] == dict.fromkeys(
            ["postCount", "totalLikes", "totalComments", "followerCount", "followingCount"], 0
        )
        assert profile["isFollowing"] is False
        assert profile["survey"]["favorite_categories"] == ["x"]
        assert data(api(user), str(user.pk)) == profile
        assert "password" not in response.content.decode()
        assert "secret" not in response.content.decode()

    def test_others_see_nothing_private(self, member: Member, stranger: User, api: Api) -> None:
        user = member("Linh", phone="0912345678", date_of_birth="1999-12-31", google_id="secret")
        Survey.objects.create(user=user, favorite_categories=["x"], completed_at=timezone.now())
        profile = data(api(stranger), str(user.pk))
        assert profile.keys() == {
            *("id", "first_name", "last_name", "job", "avatar_url", "cover_url", "bio"),
            *("auth_provider", "is_verified", "is_active", "created_at", "updated_at"),
            *("statistics", "isFollowing", "survey"),
        }
        assert profile["survey"] is None

    def test_statistics_count_only_visible_posts(
        self,
        owner: User,
        friend: User,
        follower: User,
        stranger: User,
        posts: list[Post],
        member: Member,
        api: Api,
    ) -> None:
        gone = member("Gone", is_active=False)
        Follow.objects.create(follower=gone, following=owner)
        counts = {}
        for viewer in (owner, friend, follower, stranger):
            statistics = data(api(viewer), str(owner.pk))["statistics"]
            counts[viewer.first_name] = (
                *(statistics["postCount"], statistics["totalLikes"], statistics["totalComments"]),
                *(statistics["followerCount"], statistics["followingCount"]),
            )
        assert counts == {
            "Owner": (3, 111, 222, 2, 1),
            "Friend": (2, 11, 22, 2, 1),
            "Follower": (1, 1, 2, 2, 1),
            "Stranger": (1, 1, 2, 2, 1),
        }

    def test_is_following_refers_to_the_viewer(
        self, owner: User, follower: User, stranger: User, api: Api
    ) -> None:
        assert data(api(follower), str(owner.pk))["isFollowing"] is True
        assert data(api(stranger), str(owner.pk))["isFollowing"] is False
        assert data(api(owner), str(follower.pk))["isFollowing"] is False

    def test_unknown_and_deactivated_members_are_not_found(
        self, owner: User, member: Member, api: Api
    ) -> None:
        gone = member("Gone", is_active=False)
        for unknown in (gone.pk, uuid4(), "no-uuid", "undefined"):
            for path in (f"{unknown}", f"{unknown}/posts"):
                response = api(owner).get(f"/users/{path}")
                assert response.status_code == 404
                assert response.json()["error"] == "User not found"

    def test_visitors_are_sent_to_the_login(self, owner: User) -> None:
        for path in ("profile", str(owner.pk), f"{owner.pk}/posts", "activities", *LISTS):
            assert APIClient().get(f"/users/{path}").status_code == 401

    def test_the_number_of_queries_is_small(
        self, owner: User, stranger: User, posts: list[Post], api: Api
    ) -> None:
        client = api(stranger)
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/users/{owner.pk}")
        assert len(queries) <= 5


class TestLists:
    def test_a_members_posts_are_those_visible_to_the_viewer(
        self, owner: User, friend: User, follower: User, posts: list[Post], api: Api
    ) -> None:
        path = f"{owner.pk}/posts"
        assert titles(api(owner), "profile/posts") == ["private", "friends", "public"]
        assert titles(api(owner), path) == ["private", "friends", "public"]
        assert titles(api(friend), path) == ["friends", "public"]
        assert titles(api(follower), path) == ["public"]

    def test_liked_and_saved_posts_come_newest_first_with_hearts(
        self, owner: User, friend: User, posts: list[Post], api: Api
    ) -> None:
        for post in reversed(posts):
            Like.objects.create(user=friend, post=post)
            SavedPost.objects.create(user=friend, post=post)
        liked = data(api(friend), "liked-posts")
        assert [post["title"] for post in liked] == ["public", "friends"]
        assert all(post["isLiked"] and post["isSaved"] for post in liked)
        assert liked[0]["image"]["image_url"]
        assert titles(api(friend), "saved-posts") == ["public", "friends"]
        Follow.objects.filter(follower=owner).delete()
        for path in ("liked-posts", "saved-posts"):
            assert titles(api(friend), path) == ["public"]

    @pytest.mark.parametrize("path", LISTS)
    def test_pages_are_stable_and_end(self, owner: User, api: Api, path: str) -> None:
        for _ in range(5):
            post = make_post(owner)
            Like.objects.create(user=owner, post=post)
            SavedPost.objects.create(user=owner, post=post)
        client = api(owner)
        pages = [client.get(f"/users/{path}", {"limit": 2, "page": n}).json() for n in (1, 2, 3, 4)]
        ids = [post["id"] for page in pages for post in page["data"]]
        assert len(ids) == len(set(ids)) == 5
        assert pages[3] == {
            "success": True,
            "data": [],
            "pagination": {"page": 4, "limit": 2, "total": 5, "totalPages": 3},
        }

    @pytest.mark.parametrize("path", [*LISTS, "activities"])
    def test_the_number_of_queries_is_constant(
        self, owner: User, member: Member, api: Api, path: str
    ) -> None:
        counts = set()
        for name in ("A", "B", "C"):
            post = make_post(member(name))
            mine = make_post(owner)
            for one in (post, mine):
                Like.objects.create(user=owner, post=one)
                SavedPost.objects.create(user=owner, post=one)
                Activity.objects.create(user=owner, post=one, activity_type="like")
            with CaptureQueriesContext(connection) as queries:
                api(owner).get(f"/users/{path}")
            counts.add(len(queries))
        assert len(counts) == 1


class TestActivities:
    def test_own_activities_are_newest_first_and_of_visible_posts(
        self, owner: User, friend: User, posts: list[Post], api: Api
    ) -> None:
        for kind in ("view", "like"):
            for post in posts:
                Activity.objects.create(user=friend, post=post, activity_type=kind)
        Activity.objects.create(user=owner, post=posts[0], activity_type="view")
        activities = data(api(friend), "activities")
        assert [(item["activity_type"], item["post"]["title"]) for item in activities] == [
            *(("like", "friends"), ("like", "public"), ("view", "friends"), ("view", "public"))
        ]
        assert activities[0]["user_id"] == str(friend.pk)
        assert activities[0]["post_id"] == activities[0]["post"]["id"]
        assert activities[0]["post"]["user"]["first_name"] == "Owner"
        assert {"id", "created_at"} <= activities[0].keys()
        assert len(data(api(friend), "activities", type="like")) == 2
        assert api(friend).get("/users/activities?type=spam").status_code == 400

    def test_activities_are_limited_to_a_hundred(
        self, owner: User, posts: list[Post], api: Api
    ) -> None:
        Activity.objects.bulk_create(
            Activity(user=owner, post=posts[0], activity_type="view") for _ in range(120)
        )
        assert len(data(api(owner), "activities")) == 100


class TestRelated:
    def test_most_shared_likes_first(self, owner: User, member: Member, api: Api) -> None:
        a, b, followed, gone = (member(name) for name in ("A", "B", "Followed", "Gone"))
        author = member("Author")
        first, second = make_post(author), make_post(author)
        hidden = make_post(author, "private")
        for user in (owner, b, followed, gone):
            Like.objects.create(user=user, post=first)
            Like.objects.create(user=user, post=second)
        Like.objects.create(user=a, post=first)
        for user in (owner, author):
            Like.objects.create(user=user, post=hidden)
        Follow.objects.create(follower=owner, following=followed)
        User.objects.filter(pk=gone.pk).update(is_active=False)
        members = data(api(owner), "related-users")
        assert [user["first_name"] for user in members] == ["B", "A"]
        assert members[0].keys() == {"id", "first_name", "last_name", "avatar_url", "bio", "job"}
        assert [user["first_name"] for user in data(api(owner), "related-users", limit=1)] == ["B"]

    def test_without_shared_likes_the_newest_members(
        self, owner: User, member: Member, api: Api
    ) -> None:
        member("A")
        member("B")
        member("Gone", is_active=False)
        members = data(api(owner), "related-users", limit=-3)
        assert [user["first_name"] for user in members] == ["B"]
        assert [user["first_name"] for user in data(api(owner), "related-users")] == ["B", "A"]
