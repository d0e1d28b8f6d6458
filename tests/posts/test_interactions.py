"""Likes, saves and views: permission, counters and notifications."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import IntegrityError, connection, transaction
from rest_framework.test import APIClient

from accounts.models import Follow, User
from notifications.models import Notification
from posts import view_counter
from posts.models import Activity, Comment, Like, Post, SavedPost
from posts.view_counter import flush_views
from smimso.redis import redis_client
from tests.conftest import UNKNOWN_ID
from tests.posts.rows import invalid, make_post, same_as_before

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


def _away(*_: Any) -> None:
    raise redis.ConnectionError


def like_url(post: Post) -> str:
    return f"/api/posts/{post.pk}/like"


def save_url(post: Post) -> str:
    return f"/posts/{post.pk}/save"


class TestLike:
    def test_counts_once_however_often_it_is_sent(
        self, api: Api, owner: User, stranger: User
    ) -> None:
        post = make_post(owner)
        for _ in range(3):
            response = api(stranger).post(like_url(post))
            assert response.status_code == 200
            assert response.json() == {
                "success": True,
                "message": "Post liked successfully",
                "data": None,
            }
        post.refresh_from_db()
        assert post.like_count == 1 == Like.objects.count()
        assert list(Activity.objects.values_list("activity_type", flat=True)) == ["like"]

    def test_is_taken_back_once(self, api: Api, owner: User, stranger: User, friend: User) -> None:
        post = make_post(owner)
        api(friend).post(like_url(post))
        api(stranger).post(like_url(post))
        for _ in range(3):
            response = api(stranger).delete(like_url(post))
            assert response.json()["message"] == "Post unliked successfully"
        post.refresh_from_db()
        assert post.like_count == 1
        assert Like.objects.get().user == friend

    def test_a_counter_without_rows_never_sinks(
        self, api: Api, owner: User, stranger: User
    ) -> None:
        post = make_post(owner, like_count=7)  # as imported
        api(stranger).delete(like_url(post))
        assert same_as_before(post)

    def test_tells_the_author_once_and_takes_it_back(
        self, api: Api, owner: User, member: Callable[..., User]
    ) -> None:
        post = make_post(owner, title="Sunset")
        fan = member("Mai", last_name="Lê")
        for _ in range(2):
            api(fan).post(like_url(post))
        note = Notification.objects.get()
        assert (note.user, note.related_user, note.type, note.post) == (owner, fan, "like", post)
        assert note.content == 'Mai Lê liked your post "Sunset"'
        api(fan).delete(like_url(post))
        assert not Notification.objects.exists()

    def test_of_ones_own_post_notifies_no_one(self, api: Api, owner: User) -> None:
        assert api(owner).post(like_url(make_post(owner))).status_code == 200
        assert Like.objects.exists()
        assert not Notification.objects.exists()

    def test_stands_though_the_notification_fails(
        self, api: Api, owner: User, stranger: User
    ) -> None:
        post = make_post(owner)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE notifications ADD CHECK (false) NOT VALID")
        assert api(stranger).post(like_url(post)).status_code == 200
        post.refresh_from_db()
        assert post.like_count == 1 == Like.objects.count()
        assert not Notification.objects.exists()


class TestSave:
    def test_is_idempotent_both_ways(self, api: Api, owner: User, stranger: User) -> None:
        post = make_post(owner)
        for _ in range(2):
            response = api(stranger).post(save_url(post))
            assert response.status_code == 200
            assert response.json() == {
                "success": True,
                "message": "Post saved successfully",
                "data": None,
            }
        assert SavedPost.objects.get().user == stranger
        assert Activity.objects.get().activity_type == "save"
        for _ in range(2):
            response = api(stranger).delete(save_url(post))
            assert response.json()["message"] == "Post unsaved successfully"
        assert not SavedPost.objects.exists()

    def test_leaves_other_members_likes_alone(self, api: Api, owner: User, stranger: User) -> None:
        post = make_post(owner)
        api(owner).post(save_url(post))
        api(stranger).delete(save_url(post))
        assert SavedPost.objects.get().user == owner


@pytest.mark.parametrize(("model", "name"), [(Like, "likes_once"), (SavedPost, "saved_posts_once")])
def test_the_database_takes_only_one_of_each_member(
    owner: User, stranger: User, model: Any, name: str
) -> None:
    post = make_post(owner)
    model.objects.create(user=stranger, post=post)
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        model.objects.create(user=stranger, post=post)
    model.objects.create(user=owner, post=post)


class TestWhatAStrangerMayNotSee:
    @pytest.mark.parametrize("visibility", ["friends", "private"])
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("get", "", None),
            ("post", "/like", None),
            ("delete", "/like", None),
            ("post", "/save", None),
            ("delete", "/save", None),
            ("post", "/comments", {"content": "Hello"}),
        ],
    )
    def test_is_not_found_and_stays_as_it_was(
        self,
        api: Api,
        owner: User,
        follower: User,
        visibility: str,
        method: str,
        path: str,
        body: Any,
    ) -> None:
        post = make_post(owner, visibility=visibility)
        response = getattr(api(follower), method)(
            f"/api/posts/{post.pk}{path}", body, format="json"
        )
        invalid(response, 404, "Post not found")
        assert same_as_before(post)
        for model in (Like, SavedPost, Comment, Activity, Notification):
            assert not model.objects.exists()

    @pytest.mark.parametrize("post_id", ["liked-by-nobody", UNKNOWN_ID])
    @pytest.mark.parametrize("path", ["", "/like", "/save"])
    def test_is_answered_like_an_id_that_nothing_has(
        self, api: Api, owner: User, post_id: str, path: str
    ) -> None:
        method = "post" if path else "get"
        response = getattr(api(owner), method)(f"/api/posts/{post_id}{path}")
        invalid(response, 404, "Post not found")

    def test_a_friend_may_and_takes_a_like_back_when_it_is_over(
        self, api: Api, owner: User, friend: User
    ) -> None:
        post = make_post(owner, visibility="friends")
        assert api(friend).post(like_url(post)).status_code == 200
        Follow.objects.filter(follower=owner).delete()
        invalid(api(friend).post(like_url(post)), 404, "Post not found")
        assert api(friend).delete(like_url(post)).status_code == 200
        assert not Like.objects.exists()
        invalid(api(friend).delete(like_url(post)), 404, "Post not found")

    def test_without_a_token_nothing_happens(self, api: Api, owner: User) -> None:
        post = make_post(owner)
        for method, path in (("get", ""), ("post", "/like"), ("post", "/save")):
            response = getattr(api(), method)(f"/api/posts/{post.pk}{path}")
            assert response.status_code == 401
        assert same_as_before(post)


def viewed(post: Post) -> int:
    return Post.objects.get(pk=post.pk).view_count


class TestView:
    def test_counts_once_a_member_however_often_they_open_it(
        self, servers: Path, api: Api, owner: User, stranger: User, friend: User
    ) -> None:
        post, other = make_post(owner), make_post(owner)
        for who, times in ((stranger, 3), (friend, 2)):
            for _ in range(times):
                shown = api(who).get(f"/api/posts/{post.pk}").json()["data"]
                assert shown["view_count"] == 0  # the view is written later
        api(stranger).get(f"/api/posts/{other.pk}")
        flush_views()
        flush_views()
        views = Activity.objects.filter(activity_type="view")
        assert (viewed(post), views.filter(post=post).count()) == (2, 2)
        assert (viewed(other), views.filter(post=other).count()) == (1, 1)

    def test_counts_again_after_some_hours(
        self,
        servers: Path,
        api: Api,
        owner: User,
        stranger: User,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(view_counter, "SEEN_SECONDS", 1)
        post = make_post(owner)
        api(stranger).get(f"/api/posts/{post.pk}")
        time.sleep(1.5)
        api(stranger).get(f"/api/posts/{post.pk}")
        flush_views()
        assert viewed(post) == 2

    def test_of_what_is_gone_is_dropped(
        self, servers: Path, api: Api, owner: User, stranger: User, friend: User
    ) -> None:
        post, gone = make_post(owner), make_post(owner)
        for who in (stranger, friend):
            for each in (post, gone):
                api(who).get(f"/api/posts/{each.pk}")
        gone.delete()
        stranger.delete()
        flush_views()
        assert viewed(post) == Activity.objects.count() == 1

    def test_counts_once_though_the_writer_was_interrupted(
        self,
        servers: Path,
        api: Api,
        owner: User,
        stranger: User,
        friend: User,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        post = make_post(owner)
        api(stranger).get(f"/api/posts/{post.pk}")
        with monkeypatch.context() as patched:
            patched.setattr(redis.Redis, "ltrim", _away)
            with pytest.raises(redis.ConnectionError):
                flush_views()
        api(friend).get(f"/api/posts/{post.pk}")
        assert flush_views() == 1
        assert viewed(post) == Activity.objects.filter(activity_type="view").count() == 2

    def test_waits_while_another_process_writes(
        self, servers: Path, api: Api, owner: User, stranger: User
    ) -> None:
        post = make_post(owner)
        api(stranger).get(f"/api/posts/{post.pk}")
        with redis_client().lock(view_counter.LOCK_KEY, timeout=300):
            assert flush_views() == 0
        assert flush_views() == 1

    def test_is_written_at_once_without_redis(
        self, api: Api, owner: User, stranger: User, redis_away: None
    ) -> None:
        post = make_post(owner)
        assert api(stranger).get(f"/api/posts/{post.pk}").status_code == 200
        assert viewed(post) == Activity.objects.filter(activity_type="view").count() == 1

    def test_by_the_author_does_not_count(self, api: Api, owner: User) -> None:
        post = make_post(owner)
        assert api(owner).get(f"/api/posts/{post.pk}").status_code == 200
        assert same_as_before(post)
        assert not Activity.objects.exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_counters_are_exact_after_fifty_threads(
    api: Api, owner: User, member: Callable[..., User]
) -> None:
    """Ten members, five threads each with its own connection, all on one post."""
    post = make_post(owner)
    members = [member(f"Member{n}") for n in range(10)]
    start = threading.Barrier(50)
    statuses: list[int] = []

    def act(user: User, turn: int) -> None:
        client = api(user)
        start.wait()
        try:
            for round_ in range(2):
                if (turn + round_) % 2:
                    responses = [client.post(like_url(post)), client.post(save_url(post))]
                else:
                    responses = [client.delete(like_url(post)), client.delete(save_url(post))]
                responses.append(client.get(f"/api/posts/{post.pk}"))
                responses.append(
                    client.post(f"/api/posts/{post.pk}/comments", {"content": "x"}, format="json")
                )
                statuses.extend(response.status_code for response in responses)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=act, args=(user, turn)) for turn in range(5) for user in members
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(statuses) == 50 * 2 * 4
    assert set(statuses) == {200, 201}
    post.refresh_from_db()
    assert post.like_count == Like.objects.count()
    assert post.comment_count == Comment.objects.count() == 100
    flush_views()
    views = Activity.objects.filter(activity_type="view")
    assert viewed(post) == views.count() == 10  # once per member, however often they viewed it
    likes = Notification.objects.filter(type="like")
    assert set(likes.values_list("related_user", flat=True)) == set(
        Like.objects.values_list("user", flat=True)
    )
    assert likes.count() == post.like_count
