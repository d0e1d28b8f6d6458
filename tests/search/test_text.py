"""Search by text over HTTP: by vector and keywords, or by keywords alone without a worker."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from ai import heartbeat
from ai import services as ai
from ai.calibration import similarity_score
from ai.heartbeat import ModelState, WorkerState
from posts.models import Post
from smimso.redis import redis_client
from tests.search.conftest import at_cosine, pointing
from tests.visibility import VISIBILITIES, each_member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("openai_scale")]
Api = Callable[..., APIClient]
NewPost = Callable[..., Post]
RESULT_KEYS = {"post_id", "image_id", "image_url", "similarity_score", "search_method", "post"}


@pytest.fixture
def embedded_texts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Embed every text as `pointing(1)`; return the embedded texts."""
    asked: list[str] = []

    def embed(text: str) -> list[float]:
        asked.append(text)
        return pointing(1)

    monkeypatch.setattr("ai.services.embed_text", embed)
    return asked


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the workers, which other tests of the same run may have started."""
    monkeypatch.setattr("ai.heartbeat.live_workers", lambda: [])


def search(client: APIClient, query: Any = "boat", **params: Any) -> Any:
    path = "/api/search/text"
    if params:
        path += "?" + "&".join(f"{name}={value}" for name, value in params.items())
    return client.post(path, {"query": query}, format="json")


def data(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.content
    return response.json()["data"]


def embedded(vector_post: NewPost, *cosines: float, **fields: Any) -> Post:
    return vector_post(*[at_cosine(cosine) for cosine in cosines], model=ai.clip_name(), **fields)


# --- With the AI --------------------------------------------------------------------------------


def test_the_answer_is_exactly_what_the_contract_says(
    api: Api, owner: User, stranger: User, vector_post: NewPost, embedded_texts: list[str]
) -> None:
    post = embedded(vector_post, 0.3, title="A boat", tags=["sea"])
    response = search(api(stranger), "  a boat ")
    body = response.json()
    assert body.keys() == {"success", "message", "data"}
    assert body["message"] == "Text search completed successfully"
    found = body["data"]
    assert found.keys() == {"results", "count", "query_type", "query", "ai_available"}
    assert (found["count"], found["query_type"], found["query"]) == (1, "text", "a boat")
    assert found["ai_available"] is True
    assert embedded_texts == ["a boat"]
    (result,) = found["results"]
    image = post.images.get()
    assert result.keys() == RESULT_KEYS
    assert result["post_id"] == result["post"]["id"] == str(post.pk)
    assert result["image_id"] == str(image.pk)
    assert result["image_url"] == image.image_url
    assert result["search_method"] == "hybrid"
    by_meaning = similarity_score(0.3, "text", ai.clip_name())
    assert result["similarity_score"] == pytest.approx(1 - (1 - by_meaning) * 0.5, abs=1e-4)
    assert result["post"].keys() >= {
        *("id", "title", "description", "user_id", "visibility", "view_count", "like_count"),
        *("comment_count", "created_at", "user", "category", "tags", "image"),
    }
    assert result["post"]["user"].keys() == {"id", "first_name", "last_name", "avatar_url"}
    assert b"embedding_model" not in response.content


def test_one_result_for_each_post_with_its_best_image_best_first(
    api: Api, stranger: User, vector_post: NewPost, embedded_texts: list[str]
) -> None:
    embedded(vector_post, 0.28, title="second")
    album = embedded(vector_post, 0.2, 0.34, 0.3, title="first")
    embedded(vector_post, 0.25, title="third")
    results = data(search(api(stranger)))["results"]
    assert [result["post"]["title"] for result in results] == ["first", "second", "third"]
    assert results[0]["image_id"] == str(album.images.get(display_order=1).pk)
    scores = [result["similarity_score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize(
    ("min_similarity", "count"),
    [("0", 3), ("0.0", 3), ("-5", 3), ("1", 1), ("2", 1), ("inf", 1), ("1e999", 1)],
)
def test_the_minimum_score_is_honoured_and_clamped(
    api: Api,
    stranger: User,
    vector_post: NewPost,
    embedded_texts: list[str],
    min_similarity: str,
    count: int,
) -> None:
    for cosine in (1.0, 0.16, -0.5):
        embedded(vector_post, cosine)
    assert data(search(api(stranger), minSimilarity=min_similarity))["count"] == count


@pytest.mark.parametrize("min_similarity", ["", "NaN", "nan", "much", "0,5"])
def test_a_minimum_score_that_is_no_number_is_the_default(
    api: Api, stranger: User, vector_post: NewPost, embedded_texts: list[str], min_similarity: str
) -> None:
    for cosine in (1.0, 0.16):
        embedded(vector_post, cosine)
    assert data(search(api(stranger), minSimilarity=min_similarity))["count"] == 1
    assert data(search(api(stranger)))["count"] == 1


@pytest.mark.parametrize(
    ("limit", "count"),
    [("1", 1), ("0", 1), ("-3", 1), ("2", 2), ("", 20), ("x", 20), ("1000", 22)],
)
def test_the_limit_is_clamped(
    api: Api,
    stranger: User,
    vector_post: NewPost,
    embedded_texts: list[str],
    limit: str,
    count: int,
) -> None:
    for _ in range(22):
        embedded(vector_post, 0.3)
    assert data(search(api(stranger), limit=limit))["count"] == count


@each_member
def test_only_what_the_viewer_may_see_is_found(
    viewer: User, seen: set[str], vector_post: NewPost, embedded_texts: list[str], api: Api
) -> None:
    for visibility in VISIBILITIES:
        embedded(vector_post, 0.3, visibility=visibility)
    results = data(search(api(viewer)))["results"]
    assert {result["post"]["visibility"] for result in results} == seen


def test_vectors_of_another_model_are_not_found(
    api: Api, stranger: User, vector_post: NewPost, embedded_texts: list[str]
) -> None:
    vector_post(pointing(1), model="another/model")
    assert data(search(api(stranger)))["results"] == []


def test_many_results_take_as_many_queries_as_one(
    api: Api,
    stranger: User,
    vector_post: NewPost,
    embedded_texts: list[str],
    django_assert_num_queries: Any,
) -> None:
    client = api(stranger)
    for count in (1, 15):
        for _ in range(count):
            embedded(vector_post, 0.3, 0.2)
        # the member; the folded words; the vector space, twice; a sample; the index and the scan in
        # a savepoint; the terms of the vector hits; how many posts have the word, and which; posts
        # and their images
        with django_assert_num_queries(14):
            search(client)


@pytest.mark.parametrize(("near", "looked"), [(12, False), (3, True)])
def test_keywords_are_searched_only_if_vector_hits_do_not_fill_the_page(
    near: int,
    looked: bool,
    api: Api,
    stranger: User,
    vector_post: NewPost,
    embedded_texts: list[str],
) -> None:
    for number in range(near):
        embedded(vector_post, 0.35 - 0.01 * number)
    with CaptureQueriesContext(connection) as queries:
        data(search(api(stranger), limit=5, minSimilarity=0.2))
    asked = [query["sql"] for query in queries if query["sql"].startswith("EXPLAIN")]
    assert any("post_words" in sql for sql in asked) == looked


@pytest.mark.parametrize("query", ["lake", "red boat", '"red boat"', "red -lake"])
@pytest.mark.parametrize("limit", [4, 20, 100])
def test_it_is_the_first_page_of_the_whole_list(
    query: str,
    limit: int,
    api: Api,
    stranger: User,
    vector_post: NewPost,
    embedded_texts: list[str],
) -> None:
    """Compare the order only: scores differ, because keyword coverage depends on the candidates."""
    said = ["", "lake", "red", "boat", "a red boat", "red lake"]
    for number in range(25):
        embedded(vector_post, 0.35 - 0.01 * number, description=said[number % len(said)])
    for words in said:
        vector_post(None, description=words)
    client = api(stranger)
    page = data(search(client, query, limit=limit, minSimilarity=0.2))["results"]
    params = {"q": query, "limit": limit, "minSimilarity": 0.2}
    whole = client.get("/api/search", params).json()["data"]["results"]
    assert [each["post_id"] for each in page] == [each["post_id"] for each in whole]
    assert len(page) == min(limit, len(whole))


@pytest.mark.parametrize("query", ["", "   ", None, [], {}, ["boat"], True])
def test_a_search_needs_a_query(
    api: Api, stranger: User, embedded_texts: list[str], query: Any
) -> None:
    response = search(api(stranger), query)
    assert response.status_code == 400
    assert response.json()["error"] == "Search query is required"
    assert embedded_texts == []


def test_a_search_without_any_body_needs_a_query(api: Api, stranger: User) -> None:
    response = api(stranger).post("/api/search/text")
    assert response.status_code == 400
    assert response.json()["error"] == "Search query is required"


def test_a_very_long_query_is_cut(api: Api, stranger: User, embedded_texts: list[str]) -> None:
    assert data(search(api(stranger), "boat " * 5_000))["count"] == 0
    assert [len(text) for text in embedded_texts] == [999]  # without the space at its end


# --- Without the AI -----------------------------------------------------------------------------


def test_without_a_worker_words_are_compared_and_the_answer_says_so(
    api: Api, stranger: User, vector_post: NewPost, away: None
) -> None:
    post = embedded(vector_post, 0.3, 0.4, title="A boat")
    embedded(vector_post, 0.9, title="Meant, but not said")
    response = search(api(stranger))
    assert response.json()["message"] == "The AI is not available: searched by words"
    found = data(response)
    assert found["ai_available"] is False
    (result,) = found["results"]
    assert result.keys() == RESULT_KEYS
    assert result["post_id"] == str(post.pk)
    assert result["image_id"] == str(post.images.get(display_order=0).pk)
    assert (result["similarity_score"], result["search_method"]) == (0.5, "caption")


def test_while_too_many_wait_for_a_worker_words_are_compared(
    api: Api,
    stranger: User,
    vector_post: NewPost,
    servers: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = ModelState(ai.clip_name(), loaded=True)
    state = {"name": "overloaded", "queues": ("interactive",), "device": "cpu", "dtype": "fp32"}
    heartbeat.publish(WorkerState(**state, clip=model, blip=model))
    monkeypatch.setattr("ai.rpc.TEXT", "overloaded")  # a queue that no worker of this run consumes
    settings.AI_QUEUE_LIMIT = 2
    redis_client().rpush("overloaded", "a", "b")
    try:
        vector_post(None, title="boat")
        found = data(search(api(stranger)))
        refused = api(stranger).post("/api/ai/text-embedding", {"query": "boat"}, format="json")
    finally:
        heartbeat.withdraw("overloaded")
        redis_client().delete("overloaded")
    assert (found["ai_available"], found["count"]) == (False, 1)
    assert refused.status_code == 503
    assert "too much to do" in refused.content.decode()


def test_without_a_worker_a_stranger_finds_nothing_hidden(
    api: Api, stranger: User, friend: User, vector_post: NewPost, away: None
) -> None:
    vector_post(None, title="boat", visibility="private")
    vector_post(None, title="boat", visibility="friends")
    assert data(search(api(stranger)))["results"] == []
    assert data(search(api(friend)))["count"] == 1


def test_without_a_worker_a_post_without_an_image_is_left_out(
    api: Api, stranger: User, owner: User, away: None
) -> None:
    Post.objects.create(user=owner, title="boat")
    assert data(search(api(stranger)))["results"] == []


def test_without_a_worker_the_limit_counts_too(
    api: Api, stranger: User, vector_post: NewPost, away: None
) -> None:
    for _ in range(4):
        vector_post(None, title="boat")
    assert data(search(api(stranger), limit=3))["count"] == 3


def test_without_redis_words_are_compared(
    api: Api, stranger: User, vector_post: NewPost, redis_away: None
) -> None:
    vector_post(None, title="boat")
    assert data(search(api(stranger)))["ai_available"] is False
