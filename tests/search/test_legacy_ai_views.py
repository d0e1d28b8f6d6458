"""The old AI service's routes that find posts: its response fields, and real results."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from ai import services as ai
from posts.models import Like, Post, SavedPost
from smimso.errors import Unavailable
from tests.search.conftest import at_cosine, pointing
from tests.search.test_text import RESULT_KEYS
from tests.visibility import VISIBILITIES, each_member, each_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("openai_scale")]
Api = Callable[..., APIClient]
VECTOR = pointing(1)
BODIES: dict[str, dict[str, Any]] = {
    "search-by-text": {"query": "sunset"},
    "similar-images": {"embedding": VECTOR},
    "recommendations": {"user_id": str(uuid4())},
}


@pytest.fixture(autouse=True)
def _ai_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ai, "embed_text", lambda text: VECTOR)


@pytest.fixture
def new(vector_post: Callable[..., Post]) -> Callable[..., Post]:
    def make(cosine: float = 0.9, **fields: Any) -> Post:
        return vector_post(at_cosine(cosine), **{"model": ai.clip_name(), **fields})

    return make


@pytest.fixture
def one_of_each(new: Callable[..., Post]) -> None:
    for visibility in VISIBILITIES:
        new(title=visibility, visibility=visibility)


def ask(client: APIClient, route: str, mount: str = "/api", **changes: Any) -> Any:
    body = {**BODIES[route], **changes}
    return client.post(f"{mount}/ai/{route}", body, format="json")


def titles(answer: Any) -> list[str]:
    body = answer.json()
    assert answer.status_code == 200, body
    assert body["count"] == len(body["results"])
    assert all(result.keys() == RESULT_KEYS for result in body["results"])
    return [result["post"]["title"] for result in body["results"]]


# --- All routes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("route", BODIES)
def test_without_a_token_only_a_demo_answers(route: str, api: Api, settings: Any) -> None:
    assert ask(api(), route).status_code == 401
    settings.AI_PUBLIC = True
    assert ask(api(), route).status_code in (200, 404)


@pytest.mark.parametrize("route", BODIES)
def test_too_many_questions_are_refused(
    route: str, api: Api, stranger: User, settings: Any
) -> None:
    settings.THROTTLES = {"ai": "1/1h"}
    ask(api(stranger), route)
    answer = ask(api(stranger), route)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0


@pytest.mark.parametrize("route", BODIES)
@pytest.mark.parametrize("body", ["[]", "7", '"text"', "{", "null"])
def test_a_body_that_is_no_object_is_refused(
    route: str, body: str, api: Api, stranger: User
) -> None:
    answer = api(stranger).post(f"/api/ai/{route}", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["success"] is False


@pytest.mark.parametrize("route", BODIES)
@pytest.mark.parametrize("limit", ["many", None, [1], 1.5])
def test_a_limit_that_is_no_number_is_refused(
    route: str, limit: Any, api: Api, stranger: User
) -> None:
    assert ask(api(stranger), route, limit=limit).status_code == 400


@pytest.mark.parametrize("mount", ["/api", ""])
@pytest.mark.parametrize("name", ["similar-images", "search-by-text"])
def test_a_limit_is_brought_into_its_range(
    mount: str, name: str, api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    for _ in range(3):
        new()
    client = api(stranger)
    assert len(titles(ask(client, name, mount, limit=2))) == 2
    assert len(titles(ask(client, name, mount, limit=-5))) == 1
    assert len(titles(ask(client, name, mount, limit=10**30))) == 3


# --- Search by text -------------------------------------------------------------------------


def test_search_by_text_answers_as_it_did_and_with_what_was_found(
    api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    new(0.25, title="far")
    new(0.33, title="near")
    answer = ask(api(stranger), "search-by-text", query=" Sunset ")
    body = answer.json()
    assert body.keys() == {"query", "embedding", "message", "results", "count"}
    assert body["query"] == "Sunset"
    assert body["embedding"] == VECTOR
    assert body["message"].startswith("Use this embedding to search in your database")
    assert titles(answer) == ["near", "far"]


@each_member
@pytest.mark.parametrize("route", ["search-by-text", "similar-images"])
def test_only_what_one_may_see_is_found(
    route: str, viewer: User, seen: set[str], api: Api, one_of_each: None
) -> None:
    assert set(titles(ask(api(viewer), route))) == seen


@pytest.mark.parametrize("route", ["search-by-text", "similar-images"])
def test_visitors_of_the_demo_find_public_posts(
    route: str, api: Api, one_of_each: None, settings: Any
) -> None:
    settings.AI_PUBLIC = True
    assert titles(ask(api(), route)) == ["public"]


@pytest.mark.parametrize("query", ["", "  ", None, [], "x" * 2_001])
def test_a_query_that_says_nothing_is_refused(query: Any, api: Api, stranger: User) -> None:
    assert ask(api(stranger), "search-by-text", query=query).status_code == 400


def test_without_a_worker_there_is_no_vector_to_answer_with(
    api: Api, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(text: str) -> None:
        raise Unavailable

    monkeypatch.setattr(ai, "embed_text", away)
    assert ask(api(stranger), "search-by-text").status_code == 503


# --- Similar images -------------------------------------------------------------------------


def test_similar_images_echoes_what_was_sent_and_the_nearest_come_first(
    api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    new(0.6, title="far")
    new(0.9, title="near")
    answer = ask(api(stranger), "similar-images", limit=7)
    body = answer.json()
    assert body.keys() == {"embedding", "limit", "message", "results", "count"}
    assert body["embedding"] == VECTOR
    assert body["limit"] == 7
    assert body["message"].startswith("Use this embedding to search in your database")
    assert titles(answer) == ["near", "far"]


@pytest.mark.parametrize("scale", [1e-300, 3.0, 1e300])
def test_the_length_of_a_vector_changes_nothing(
    scale: float, api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    new(0.9)
    once = ask(api(stranger), "similar-images").json()["results"]
    scaled = [number * scale for number in VECTOR]
    assert ask(api(stranger), "similar-images", embedding=scaled).json()["results"] == once


@pytest.mark.parametrize(
    "embedding",
    [
        None,
        "text",
        {},
        [],
        VECTOR[:-1],
        [*VECTOR, 0.0],
        [0.0] * 512,
        ["1.0", *VECTOR[1:]],
        [True, *VECTOR[1:]],
        [None, *VECTOR[1:]],
        [[1.0], *VECTOR[1:]],
        [10**400, *VECTOR[1:]],
    ],
    ids=repr,
)
def test_what_is_no_vector_is_refused(embedding: Any, api: Api, stranger: User) -> None:
    answer = ask(api(stranger), "similar-images", embedding=embedding)
    assert answer.status_code == 400
    assert "embedding" in answer.json()["error"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(number: str, api: Api, stranger: User) -> None:
    body = f'{{"embedding": [{number}{", 0.5" * 511}]}}'
    answer = api(stranger).post("/api/ai/similar-images", body, content_type="application/json")
    assert answer.status_code == 400


# --- Recommendations ------------------------------------------------------------------------


def test_recommendations_are_near_to_what_was_liked_and_saved(
    api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    liked, saved = new(1.0, title="liked"), new(0.95, title="saved")
    Like.objects.create(user=stranger, post=liked)
    SavedPost.objects.create(user=stranger, post=saved)
    new(0.97, title="own", author=stranger)
    new(0.5, title="far")
    near = new(0.9, title="near")
    answer = ask(api(stranger), "recommendations", user_id=str(stranger.pk), limit=7)
    body = answer.json()
    assert body.keys() == {"user_id", "limit", "message", "post_ids", "results", "count"}
    assert body["user_id"] == str(stranger.pk)
    assert body["limit"] == 7
    assert body["message"].startswith("Recommendation logic should be implemented")
    assert titles(answer) == ["near", "far"]
    assert body["post_ids"] == [result["post_id"] for result in body["results"]]
    answer = ask(api(stranger), "recommendations", user_id=str(stranger.pk), limit=1)
    assert answer.json()["post_ids"] == [str(near.pk)]


@each_viewer(without=["owner", "anonymous"])
def test_only_what_the_member_may_see_is_recommended(
    viewer: User, seen: set[str], api: Api, new: Callable[..., Post], one_of_each: None
) -> None:
    Like.objects.create(user=viewer, post=new(1.0))
    answer = ask(api(viewer), "recommendations", user_id=str(viewer.pk))
    assert set(titles(answer)) == seen


def test_a_liked_post_that_became_private_no_longer_counts(
    api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    Like.objects.create(user=stranger, post=new(1.0, visibility="private"))
    new()
    assert titles(ask(api(stranger), "recommendations", user_id=str(stranger.pk))) == []


def test_a_member_without_interactions_gets_no_recommendations(
    api: Api, stranger: User, new: Callable[..., Post]
) -> None:
    new()
    assert titles(ask(api(stranger), "recommendations", user_id=str(stranger.pk))) == []


def test_recommendations_of_another_member_are_not_revealed(
    api: Api, stranger: User, friend: User, new: Callable[..., Post]
) -> None:
    Like.objects.create(user=friend, post=new(1.0))
    new()
    others = ask(api(stranger), "recommendations", user_id=str(friend.pk))
    unknown = ask(api(stranger), "recommendations", user_id=str(uuid4()))
    assert others.status_code == 404
    assert others.content == unknown.content


def test_visitors_of_the_demo_are_recommended_public_posts(
    api: Api, friend: User, new: Callable[..., Post], one_of_each: None, settings: Any
) -> None:
    settings.AI_PUBLIC = True
    Like.objects.create(user=friend, post=new(1.0))
    assert titles(ask(api(), "recommendations", user_id=str(friend.pk))) == ["public"]
    assert ask(api(), "recommendations", user_id=str(uuid4())).status_code == 404


@pytest.mark.parametrize("user_id", [None, "", "nonsense", "7", [], {}, "0" * 400])
def test_a_malformed_user_id_is_refused(user_id: Any, api: Api, stranger: User) -> None:
    assert ask(api(stranger), "recommendations", user_id=user_id).status_code == 400


def test_a_deactivated_member_is_unknown(api: Api, friend: User, settings: Any) -> None:
    settings.AI_PUBLIC = True
    User.objects.filter(pk=friend.pk).update(is_active=False)
    assert ask(api(), "recommendations", user_id=str(friend.pk)).status_code == 404
