"""Posts similar to a post."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from ai import services as ai
from posts.models import Post
from tests.search.conftest import at_cosine, pointing
from tests.search.test_text import RESULT_KEYS
from tests.visibility import VISIBILITIES, each_member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("openai_scale")]
Api = Callable[..., APIClient]


@pytest.fixture
def new(vector_post: Callable[..., Post]) -> Callable[..., Post]:
    def make(*cosines: float, **fields: Any) -> Post:
        vectors = [at_cosine(cosine) for cosine in cosines]
        return vector_post(*vectors, **{"model": ai.clip_name(), **fields})

    return make


def similar(client: APIClient, post: Post, **params: Any) -> list[dict[str, Any]]:
    response = client.get(f"/api/posts/{post.pk}/similar", params)
    assert response.status_code == 200
    body = response.json()
    assert body.keys() == {"success", "data"}
    assert body["data"].keys() == {"results", "count"}
    assert body["data"]["count"] == len(body["data"]["results"])
    return body["data"]["results"]


def titles(results: list[dict[str, Any]]) -> list[str]:
    return [result["post"]["title"] for result in results]


def test_the_most_similar_come_first_and_the_post_itself_never(
    api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    post = new(1.0, 1.0, title="itself")
    new(0.5, title="far")
    new(0.6, 0.95, title="near")
    results = similar(api(stranger), post)
    assert titles(results) == ["near", "far"]
    assert results[0].keys() == RESULT_KEYS
    assert {result["search_method"] for result in results} == {"embedding"}


def test_many_similar_posts_are_found_by_vector_alone(
    api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    post = new(1.0)
    for number in range(25):
        new(0.9 - 0.01 * number)
    results = similar(api(stranger), post)
    assert {result["search_method"] for result in results} == {"embedding"}


def test_the_first_embedded_image_stands_for_the_post(
    api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    post = new(1.0, 0.0)
    new(0.9, title="like the first")
    post.images.create(image_url="x", display_order=-1)
    assert titles(similar(api(stranger), post)) == ["like the first"]


@each_member
def test_only_what_the_viewer_may_see_is_similar(
    viewer: User, seen: set[str], api: Api, new: Callable[..., Post]
) -> None:
    post = new(1.0)
    for visibility in VISIBILITIES:
        new(0.9, title=visibility, visibility=visibility)
    assert set(titles(similar(api(viewer), post))) == seen


@pytest.mark.parametrize("visibility", ["private", "friends"])
def test_a_stranger_learns_nothing_about_a_hidden_post(
    api: Api, stranger: User, new: Callable[..., Post], visibility: str
) -> None:
    hidden = new(1.0, visibility=visibility)
    new(0.9)
    response = api(stranger).get(f"/api/posts/{hidden.pk}/similar")
    absent = api(stranger).get(f"/api/posts/{uuid4()}/similar")
    assert response.status_code == 404
    assert response.json()["error"] == "Post not found"
    assert response.content == absent.content


def test_a_post_that_waits_for_its_vector_has_nothing_similar(
    api: Api, stranger: User, new: Callable[..., Post], vector_post: Callable[..., Post]
) -> None:
    new(0.9)
    assert similar(api(stranger), vector_post(None)) == []
    assert similar(api(stranger), vector_post(pointing(1), model="another/model")) == []


def test_twelve_are_shown_unless_a_limit_says_otherwise(
    api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    post = new(1.0)
    for _ in range(14):
        new(0.9)
    assert len(similar(api(stranger), post)) == 12
    assert len(similar(api(stranger), post, limit=3)) == 3
    assert len(similar(api(stranger), post, limit=0)) == 1
    assert len(similar(api(stranger), post, limit=1_000)) == 14
