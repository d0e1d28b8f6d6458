"""Search by a picture, with a real worker; the picture is not stored."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings as django_settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import User
from ai import services as ai
from ai.demo_models.drawing import draw_scene
from ai.demo_models.scenes import choose_demo_scenes
from posts.ingest.captions import make_title
from posts.models import Post, PostImage
from posts.services import create_post, retry_images
from tests.search.conftest import at_cosine, pointing
from tests.search.test_text import RESULT_KEYS
from tests.visibility import VISIBILITIES, each_member

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


def png(image: Image.Image | None = None) -> SimpleUploadedFile:
    file = io.BytesIO()
    (image or Image.new("RGB", (32, 32), "teal")).save(file, "PNG")
    return SimpleUploadedFile("query.png", file.getvalue(), "image/png")


def search(client: APIClient, upload: Any = None, **params: Any) -> Any:
    path = "/api/search/image?" + "&".join(f"{name}={value}" for name, value in params.items())
    return client.post(path, {"image": upload or png()}, format="multipart")


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch, openai_scale: None) -> list[str]:
    """Embed every picture as `pointing(1)`; return the calls to workers."""
    asked: list[str] = []

    def describe(image: Image.Image) -> tuple[list[float], str]:
        asked.append("describe_image")
        return pointing(1), "a teal square"

    monkeypatch.setattr("ai.services.describe_image", describe)
    monkeypatch.setattr("ai.rpc.call", lambda task, **_: asked.append(task))
    return asked


def test_the_answer_is_exactly_what_the_contract_says(
    api: Api, stranger: User, vector_post: Callable[..., Post], embedded: list[str]
) -> None:
    post = vector_post(at_cosine(0.9), at_cosine(0.95), model=ai.clip_name())
    response = search(api(stranger))
    assert response.status_code == 200
    body = response.json()
    assert body.keys() == {"success", "message", "data"}
    assert body["message"] == "Image search completed successfully"
    found = body["data"]
    assert found.keys() == {"results", "count", "query_type", "generated_caption"}
    assert (found["count"], found["query_type"]) == (1, "image")
    assert found["generated_caption"] == "a teal square"
    (result,) = found["results"]
    assert result.keys() == RESULT_KEYS
    assert result["image_id"] == str(post.images.get(display_order=1).pk)
    assert result["search_method"] == "embedding"


def test_its_caption_finds_what_has_no_vector_and_is_made_once(
    api: Api, stranger: User, vector_post: Callable[..., Post], embedded: list[str]
) -> None:
    post = vector_post(None, title="A square", description="All teal")
    (result,) = search(api(stranger)).json()["data"]["results"]
    assert (result["post_id"], result["search_method"]) == (str(post.pk), "caption")
    assert embedded == ["describe_image"]


def test_a_caption_that_failed_is_empty_text(
    api: Api, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai.services.describe_image", lambda _: (pointing(1), None))
    assert search(api(stranger)).json()["data"]["generated_caption"] == ""


@pytest.mark.parametrize(("min_similarity", "count"), [("0", 2), ("1", 1), ("NaN", 1), ("", 1)])
def test_the_minimum_score_is_honoured(
    api: Api,
    stranger: User,
    vector_post: Callable[..., Post],
    embedded: list[str],
    min_similarity: str,
    count: int,
) -> None:
    for cosine in (1.0, 0.1):
        vector_post(at_cosine(cosine), model=ai.clip_name())
    found = search(api(stranger), minSimilarity=min_similarity).json()["data"]
    assert found["count"] == len(found["results"]) == count


@each_member
def test_only_what_the_viewer_may_see_is_found_and_its_urls_open(
    viewer: User,
    seen: set[str],
    api: Api,
    vector_post: Callable[..., Post],
    embedded: list[str],
) -> None:
    for visibility in VISIBILITIES:
        vector_post(at_cosine(0.9), model=ai.clip_name(), visibility=visibility)
    results = search(api(viewer)).json()["data"]["results"]
    assert {result["post"]["visibility"] for result in results} == seen


@pytest.mark.parametrize("fields", [{}, {"file": "x"}, {"image": "text"}])
def test_a_search_needs_a_file(api: Api, stranger: User, fields: dict[str, str]) -> None:
    response = api(stranger).post("/api/search/image", fields, format="multipart")
    assert response.status_code == 400
    assert response.json()["error"] == "Image file is required"


def test_what_is_no_picture_is_refused(api: Api, stranger: User) -> None:
    response = search(api(stranger), SimpleUploadedFile("a.png", b"<svg/>", "image/png"))
    assert response.status_code == 400
    assert "not a readable image" in response.json()["error"]


def test_without_a_worker_it_is_unavailable_and_never_an_empty_result(
    api: Api, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is queued: nobody would answer it, and the client would wait for the time-out."""
    requests: list[Any] = []
    monkeypatch.setattr("ai.heartbeat.live_workers", lambda: [])
    monkeypatch.setattr("ai.rpc.call", lambda *args, **options: requests.append(args))
    response = search(api(stranger))
    assert response.status_code == 503
    assert response.json()["success"] is False
    assert requests == []


# --- With a real worker -------------------------------------------------------------------------


@pytest.fixture
def drawn(settings: Any) -> list[Image.Image]:
    return [draw_scene(scene, 400) for scene in choose_demo_scenes(2)]


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, list(PostImage.objects.values("ai_status", "ai_error"))
        time.sleep(0.05)


def statuses() -> list[str]:
    return list(PostImage.objects.order_by("display_order").values_list("ai_status", flat=True))


@pytest.mark.django_db(transaction=True)
def test_from_an_upload_to_being_found_by_its_picture_and_by_its_words(
    worker: None, api: Api, owner: User, stranger: User, drawn: list[Image.Image]
) -> None:
    wait_for(lambda: bool(ai.worker_states()))
    for image, visibility in zip(drawn, ("public", "private"), strict=True):
        fields = {"images": [png(image)], "visibility": visibility}
        response = api(owner).post("/api/posts", fields, format="multipart")
        assert response.status_code == 201
        assert response.json()["data"]["images"][0]["ai_status"] == "pending"
    wait_for(lambda: statuses() == ["done", "done"])
    shown, hidden = Post.objects.order_by("created_at")
    for post in (shown, hidden):
        image = post.images.get()
        assert np.linalg.norm(image.embedding) == pytest.approx(1, abs=1e-3)
        assert image.embedding_model == ai.clip_name()
        assert image.caption_model == ai.blip_name()
        assert image.ai_caption
        assert post.caption == post.description == image.ai_caption
        assert post.title == make_title(image.ai_caption)
        assert post.tags

    before = set(Path(django_settings.MEDIA_ROOT).rglob("*"))
    found = search(api(stranger), png(drawn[0])).json()["data"]
    assert found["results"][0]["post_id"] == str(shown.pk)
    assert found["results"][0]["similarity_score"] > 0.9
    assert found["generated_caption"]
    assert Client().get(found["results"][0]["image_url"]).status_code == 200
    assert set(Path(django_settings.MEDIA_ROOT).rglob("*")) == before  # the query is not stored

    theirs = search(api(stranger), png(drawn[1]), minSimilarity=0).json()["data"]["results"]
    own = search(api(owner), png(drawn[1]), minSimilarity=0).json()["data"]["results"]
    assert [result["post_id"] for result in theirs] == [str(shown.pk)]
    assert [result["post_id"] for result in own] == [str(hidden.pk), str(shown.pk)]
    assert Client().get(own[0]["image_url"]).status_code == 200

    for viewer, ids in ((stranger, [shown.pk]), (owner, [hidden.pk, shown.pk])):
        text = api(viewer).post(
            "/api/search/text?minSimilarity=0", {"query": hidden.caption}, format="json"
        )
        assert text.json()["data"]["ai_available"] is True
        results = text.json()["data"]["results"]
        assert {result["post_id"] for result in results} == {str(pk) for pk in ids}
    near = api(owner).get(f"/api/posts/{shown.pk}/similar").json()["data"]["results"]
    assert [result["post_id"] for result in near] == [str(hidden.pk)]


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_fails_a_broken_image_does_its_neighbour_and_tries_again(
    worker: None, owner: User, drawn: list[Image.Image]
) -> None:
    with transaction.atomic():  # messages are sent after the commit
        post = create_post(author=owner, uploads=[png(image) for image in drawn])
        broken = post.images.get(display_order=1)
        path = Path(default_storage.path(broken.image_path))
        data = path.read_bytes()
        path.write_bytes(b"no picture any more")
    wait_for(lambda: statuses() == ["done", "failed"])
    broken.refresh_from_db()
    assert "not a readable image" in broken.ai_error
    assert post.images.get(display_order=0).embedding is not None
    path.write_bytes(data)
    assert retry_images([broken.pk]) == 1
    wait_for(lambda: statuses() == ["done", "done"])
    broken.refresh_from_db()
    assert (broken.ai_error, broken.ai_attempts) == ("", 0)
