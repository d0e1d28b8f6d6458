"""Comments: the list, adding, replying, deleting."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from notifications.models import Notification
from posts import interactions
from posts.models import Activity, Comment, Post
from tests.conftest import UNKNOWN_ID
from tests.posts.rows import invalid, make_post, same_as_before

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


def url(post: Post, comment: Comment | None = None) -> str:
    return f"/api/posts/{post.pk}/comments" + (f"/{comment.pk}" if comment else "")


def send(client: APIClient, post: Post, **body: Any) -> Any:
    return client.post(url(post), body, format="json")


def write(user: User, post: Post, number: int) -> list[Comment]:
    """Comments as rows, a minute apart, oldest first."""
    comments = Comment.objects.bulk_create(
        Comment(user=user, post=post, content=str(n)) for n in range(number)
    )
    for n, comment in enumerate(comments):
        comment.created_at = timezone.now() - timedelta(minutes=number - n)
    Comment.objects.bulk_update(comments, ["created_at"])
    return comments


class TestAdding:
    def test_answers_the_comment_with_its_author(
        self, api: Api, owner: User, member: Callable[..., User]
    ) -> None:
        post = make_post(owner)
        author = member("Mai", last_name="Lê", avatar_url="https://example.test/mai.jpg")
        response = send(api(author), post, content="  Đẹp quá!  ")
        assert response.status_code == 201
        assert response.json()["message"] == "Comment added successfully"
        comment = Comment.objects.get()
        data = response.json()["data"]
        assert data.pop("created_at")
        assert data.pop("updated_at")
        assert data == {
            "id": str(comment.pk),
            "user_id": str(author.pk),
            "post_id": str(post.pk),
            "parent_comment_id": None,
            "content": "Đẹp quá!",
            "user": {
                "id": str(author.pk),
                "first_name": "Mai",
                "last_name": "Lê",
                "avatar_url": "https://example.test/mai.jpg",
            },
        }
        post.refresh_from_db()
        assert post.comment_count == 1
        assert Activity.objects.get().activity_type == "comment"

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            ({}, "Comment content is required"),
            ({"content": None}, "Comment content is required"),
            ({"content": " \n "}, "Comment content is required"),
            (
                {"content": "x" * 5001},
                "content: Ensure this field has no more than 5000 characters.",
            ),
            ({"content": ["x"]}, "content: Not a valid string."),
            (
                {"content": "x", "parent_comment_id": "x"},
                "parent_comment_id: Must be a valid UUID.",
            ),
            (
                {"content": "x", "parent_comment_id": UNKNOWN_ID},
                "The comment that is replied to is not one of this post",
            ),
        ],
    )
    def test_refuses(self, api: Api, owner: User, stranger: User, body: Any, text: str) -> None:
        post = make_post(owner)
        invalid(send(api(stranger), post, **body), 400, text)
        assert not Comment.objects.exists()
        assert same_as_before(post)

    def test_refuses_a_reply_to_a_comment_of_another_post(
        self, api: Api, owner: User, stranger: User
    ) -> None:
        other = write(owner, make_post(owner), 1)[0]
        post = make_post(owner)
        response = send(api(stranger), post, content="x", parent_comment_id=str(other.pk))
        assert response.status_code == 400
        assert same_as_before(post)


class TestTelling:
    def test_the_author_of_the_post_hears_of_every_comment(
        self, api: Api, owner: User, stranger: User
    ) -> None:
        post = make_post(owner, title="Sunset")
        send(api(stranger), post, content="One")
        send(api(stranger), post, content="Two")
        send(api(owner), post, content="Thanks")
        notes = list(Notification.objects.all())
        assert len(notes) == 2
        assert {note.user for note in notes} == {owner}
        assert {note.content for note in notes} == {'Stranger commented on your post "Sunset"'}

    def test_who_is_replied_to_hears_of_it(
        self, api: Api, owner: User, stranger: User, follower: User
    ) -> None:
        post = make_post(owner)
        first = send(api(stranger), post, content="One").json()["data"]["id"]
        Notification.objects.all().delete()
        response = send(api(follower), post, content="Two", parent_comment_id=first)
        assert response.json()["data"]["parent_comment_id"] == first
        assert set(Notification.objects.values_list("user", "content")) == {
            (owner.pk, 'Follower commented on your post "A post"'),
            (stranger.pk, "Follower replied to your comment"),
        }

    def test_a_reply_to_oneself_or_on_ones_own_post_comes_once(
        self, api: Api, owner: User, stranger: User
    ) -> None:
        post = make_post(owner)
        for author in (stranger, owner):
            parent = write(author, post, 1)[0]
            send(api(stranger), post, content="x", parent_comment_id=str(parent.pk))
        assert list(Notification.objects.values_list("user", flat=True)) == [owner.pk] * 2

    def test_members_are_not_notified_about_posts_that_they_no_longer_see(
        self, api: Api, owner: User, stranger: User, friend: User
    ) -> None:
        post = make_post(owner, visibility="friends")
        parent = write(stranger, post, 1)[0]  # written while the post was public
        send(api(friend), post, content="x", parent_comment_id=str(parent.pk))
        assert Notification.objects.get().user == owner


class TestList:
    def test_is_a_plain_array_oldest_first(self, api: Api, owner: User, stranger: User) -> None:
        post = make_post(owner)
        write(stranger, post, 3)
        body = api(owner).get(url(post)).json()
        assert body["success"] is True
        assert [item["content"] for item in body["data"]] == ["0", "1", "2"]
        assert set(body["data"][0]["user"]) == {"id", "first_name", "last_name", "avatar_url"}

    def test_holds_the_latest_when_there_are_too_many(
        self, api: Api, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(interactions, "MAX_COMMENTS", 4)
        post = make_post(owner)
        write(owner, post, 6)

        def contents(query: str) -> list[str]:
            return [item["content"] for item in api(owner).get(url(post) + query).json()["data"]]

        assert contents("") == ["2", "3", "4", "5"]
        assert contents("?limit=1000") == ["2", "3", "4", "5"]
        assert contents("?page=1") == ["0", "1", "2", "3"]
        assert contents("?page=2") == ["4", "5"]
        assert contents("?page=9") == []
        assert contents("?page=2&limit=2") == ["2", "3"]

    @pytest.mark.parametrize("post_id", ["no-id", UNKNOWN_ID])
    def test_of_an_unknown_post_is_empty(self, api: Api, owner: User, post_id: str) -> None:
        response = api(owner).get(f"/api/posts/{post_id}/comments")
        assert response.status_code == 200
        assert response.json() == {"success": True, "data": []}

    def test_of_an_invisible_post_is_empty_too(self, api: Api, owner: User, stranger: User) -> None:
        post = make_post(owner, visibility="private")
        write(owner, post, 1)
        assert api(stranger).get(url(post)).json() == {"success": True, "data": []}
        assert len(api(owner).get(url(post)).json()["data"]) == 1

    @pytest.mark.parametrize("number", [3, 12])
    def test_takes_as_many_queries_for_many_as_for_few(
        self,
        api: Api,
        owner: User,
        member: Callable[..., User],
        number: int,
        django_assert_num_queries: Any,
    ) -> None:
        post = make_post(owner)
        for n in range(number):
            write(member(f"Member{n}"), post, 1)
        client = api(owner)
        with django_assert_num_queries(3):  # the member, the post's visibility, the comments
            assert len(client.get(url(post)).json()["data"]) == number


class TestDeleting:
    def test_by_its_author_with_its_replies(self, api: Api, owner: User, stranger: User) -> None:
        post = make_post(owner)
        kept = send(api(owner), post, content="Kept").json()["data"]["id"]
        parent = send(api(stranger), post, content="x").json()["data"]["id"]
        for _ in range(3):
            parent = send(api(owner), post, content="x", parent_comment_id=parent).json()["data"][
                "id"
            ]
        first = Comment.objects.get(user=stranger)
        response = api(stranger).delete(url(post, first))
        assert response.status_code == 200
        assert response.json() == {
            "success": True,
            "message": "Comment deleted successfully",
            "data": None,
        }
        assert str(Comment.objects.get().pk) == kept
        post.refresh_from_db()
        assert post.comment_count == 1
        assert not Notification.objects.exists()

    def test_a_thread_may_be_deep(self, api: Api, owner: User) -> None:
        post = make_post(owner, comment_count=1500)
        comments = [Comment(user=owner, post=post, content="x") for _ in range(1500)]
        for parent, reply in pairwise(comments):
            reply.parent_comment = parent
        Comment.objects.bulk_create(comments)
        assert api(owner).delete(url(post, comments[0])).status_code == 200
        post.refresh_from_db()
        assert post.comment_count == 0 == Comment.objects.count()

    def test_by_the_author_of_the_post(self, api: Api, owner: User, stranger: User) -> None:
        post = make_post(owner, comment_count=1)
        comment = write(stranger, post, 1)[0]
        assert api(owner).delete(url(post, comment)).status_code == 200
        assert not Comment.objects.exists()

    def test_not_by_anyone_else(
        self, api: Api, owner: User, stranger: User, follower: User
    ) -> None:
        post = make_post(owner, comment_count=1)
        comment = write(stranger, post, 1)[0]
        response = api(follower).delete(url(post, comment))
        invalid(response, 403, "You can only delete your own comments")
        assert Comment.objects.exists()
        assert same_as_before(post)

    def test_not_below_another_post(self, api: Api, owner: User, stranger: User) -> None:
        comment = write(stranger, make_post(owner), 1)[0]
        response = api(stranger).delete(url(make_post(stranger), comment))
        invalid(response, 404, "Comment not found")
        assert Comment.objects.exists()
