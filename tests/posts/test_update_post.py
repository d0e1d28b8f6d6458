"""PUT /posts/:id: changes, permission, and the fields that are closed to the AI."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Category, User
from posts.ingest.pipeline import fill_writable_fields
from posts.models import Like, Post
from tests.conftest import UNKNOWN_ID
from tests.posts.rows import invalid, make_post, same_as_before

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]

OPEN = ["title", "description", "category", "tags"]


def put(client: APIClient, post: Post, **body: Any) -> Any:
    return client.put(f"/api/posts/{post.pk}", body, format="json")


@pytest.fixture
def travel(db: None) -> Category:
    return Category.objects.get(slug="travel")


class TestChanging:
    def test_answers_the_whole_post_with_the_viewers_like(
        self, api: Api, owner: User, travel: Category
    ) -> None:
        post = make_post(owner, images=2)
        Like.objects.create(user=owner, post=post)
        response = put(
            api(owner),
            post,
            title=" Hạ Long ",
            description=" Vịnh ",
            category_id=str(travel.pk),
            tags=["#biển", " đảo ", "", "Biển"],
            visibility="friends",
        )
        assert response.status_code == 200
        body = response.json()
        assert body["message"] == "Post updated successfully"
        data = body["data"]
        assert data["title"] == "Hạ Long"
        assert data["description"] == "Vịnh"
        assert data["category"] == {"id": str(travel.pk), "name": travel.name, "slug": "travel"}
        assert data["tags"] == ["biển", "đảo"]
        assert data["visibility"] == "friends"
        assert data["isLiked"] is True
        assert len(data["images"]) == 2
        assert set(data["user"]) == {"id", "first_name", "last_name", "avatar_url"}
        assert not {"embedding", "ai_writable_fields"} & (data.keys() | data["images"][0].keys())

    def test_leaves_alone_what_is_not_sent(self, api: Api, owner: User, travel: Category) -> None:
        post = make_post(
            owner, description="Vịnh", category=travel, tags=["biển"], like_count=4, view_count=9
        )
        assert put(api(owner), post, title="New").status_code == 200
        after = Post.objects.get()
        assert after.title == "New"
        assert after.updated_at > post.updated_at
        for name in ("description", "category_id", "tags", "visibility", "like_count"):
            assert getattr(after, name) == getattr(post, name)

    @pytest.mark.parametrize("blank", ["", None, False])
    def test_a_blank_empties(self, api: Api, owner: User, travel: Category, blank: Any) -> None:
        post = make_post(owner, description="Vịnh", category=travel, tags=["biển"])
        body = {"category_id": blank, "tags": [], "description": blank or ""}
        data = put(api(owner), post, **body).json()["data"]
        assert (
            data["description"] is data["category_id"] is data["category"] is data["tags"] is None
        )

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            ({"title": ""}, "Title is required"),
            ({"title": "  "}, "Title is required"),
            ({"title": None}, "Title is required"),
            ({"title": "x" * 256}, "title: Ensure this field has no more than 255 characters."),
            ({"title": {"a": 1}}, "title: Not a valid string."),
            ({"description": ["x"]}, "description: Not a valid string."),
            ({"tags": "x"}, 'tags: Expected a list of items but got type "str".'),
            ({"tags": {"0": "x"}}, 'tags: Expected a list of items but got type "dict".'),
            ({"visibility": "all"}, 'visibility: "all" is not a valid choice.'),
            ({"category_id": "x"}, "category_id: Must be a valid UUID."),
            ({"category_id": UNKNOWN_ID}, "The category does not exist"),
        ],
    )
    def test_refuses(self, api: Api, owner: User, body: Any, text: str) -> None:
        post = make_post(owner, ai_writable_fields=OPEN)
        invalid(put(api(owner), post, **{"description": "kept out", **body}), 400, text)
        assert same_as_before(post)

    def test_refuses_what_is_no_object(self, api: Api, owner: User) -> None:
        post = make_post(owner)
        response = api(owner).put(f"/api/posts/{post.pk}", ["title"], format="json")
        assert response.status_code == 400
        assert same_as_before(post)


class TestWhatTheAIMayFill:
    def test_not_what_the_author_wrote(self, api: Api, owner: User) -> None:
        post = make_post(owner, ai_writable_fields=OPEN)
        put(api(owner), post, title="Mine", tags=["mine"])
        fill_writable_fields(post.pk, "a boat on the water", None)
        post.refresh_from_db()
        assert (post.title, post.tags) == ("Mine", ["mine"])
        assert post.description == "a boat on the water"
        assert post.ai_writable_fields == ["category"]

    def test_not_what_the_author_emptied(self, api: Api, owner: User, travel: Category) -> None:
        post = make_post(owner, ai_writable_fields=OPEN)
        put(api(owner), post, description="", category_id=None)
        fill_writable_fields(post.pk, "a boat on the water", travel)
        post.refresh_from_db()
        assert post.description is post.category is None
        assert post.ai_writable_fields == []

    def test_still_the_title_that_the_form_sent_along(self, api: Api, owner: User) -> None:
        post = make_post(owner, title="Untitled Post", ai_writable_fields=OPEN)
        put(api(owner), post, title="Untitled Post", visibility="private")
        fill_writable_fields(post.pk, "a boat on the water", None)
        post.refresh_from_db()
        assert post.title == "A boat on the water"


class TestAnothersPost:
    def test_that_is_visible_is_refused(self, api: Api, owner: User, stranger: User) -> None:
        post = make_post(owner)
        response = put(api(stranger), post, title="Taken", visibility="private")
        invalid(response, 403, "You can only edit your own posts")
        assert same_as_before(post)

    @pytest.mark.parametrize("visibility", ["friends", "private"])
    def test_that_is_invisible_is_not_found(
        self, api: Api, owner: User, follower: User, visibility: str
    ) -> None:
        post = make_post(owner, visibility=visibility)
        invalid(put(api(follower), post, title="Taken"), 404, "Post not found")
        assert same_as_before(post)
