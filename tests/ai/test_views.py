"""The AI routes as the old service documented them, and the health check."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import User
from ai.rest import views
from smimso.errors import Unavailable
from tests.ai.test_services import wait_for_models

Api = Callable[..., APIClient]
ROUTES = ["image-features", "classify", "text-embedding"]


@pytest.fixture
def public(settings: Any) -> None:
    settings.AI_PUBLIC = True


@pytest.fixture
def upload(picture: Callable[..., bytes]) -> SimpleUploadedFile:
    return SimpleUploadedFile("test.jpg", picture(), "image/jpeg")


# --- Responses ------------------------------------------------------------------------------


@pytest.fixture
def ready(worker: None) -> None:
    wait_for_models()


@pytest.mark.parametrize("prefix", ["/api", ""])
def test_image_features_are_a_vector_and_a_caption(
    prefix: str, ready: None, public: None, api: Api, upload: SimpleUploadedFile
) -> None:
    answer = api().post(f"{prefix}/ai/image-features", {"image": upload})
    assert answer.status_code == 200
    assert set(answer.json()) == {"embedding", "caption"}
    assert len(answer.json()["embedding"]) == 512
    assert isinstance(answer.json()["caption"], str)


def test_labels_are_taken_from_the_form(
    ready: None, public: None, api: Api, upload: SimpleUploadedFile
) -> None:
    labels = ["photo", "drawing", "painting"]
    body = {"image": upload, "labels": json.dumps(labels)}
    answer = api().post("/api/ai/classify", body)
    assert answer.status_code == 200
    assert set(answer.json()) == {"predictions"}
    predictions = answer.json()["predictions"]
    assert sorted(prediction["label"] for prediction in predictions) == sorted(labels)
    assert predictions == sorted(predictions, key=lambda prediction: -prediction["score"])
    assert sum(prediction["score"] for prediction in predictions) == pytest.approx(1, abs=1e-4)


def test_labels_are_taken_from_the_query_too(
    ready: None, public: None, api: Api, upload: SimpleUploadedFile
) -> None:
    answer = api().post('/api/ai/classify?labels=["sea","sky"]', {"image": upload})
    assert {prediction["label"] for prediction in answer.json()["predictions"]} == {"sea", "sky"}


@pytest.mark.parametrize("labels", [None, "", "[]"])
def test_without_labels_the_documented_five_are_used(
    labels: str | None, ready: None, public: None, api: Api, upload: SimpleUploadedFile
) -> None:
    body = {"image": upload} if labels is None else {"image": upload, "labels": labels}
    predictions = api().post("/api/ai/classify", body).json()["predictions"]
    assert {prediction["label"] for prediction in predictions} == {
        "photo",
        "drawing",
        "painting",
        "screenshot",
        "diagram",
    }


def test_a_text_embedding_comes_with_its_query(ready: None, public: None, api: Api) -> None:
    body = {"query": "beautiful sunset", "limit": 20}
    answer = api().post("/api/ai/text-embedding", body, format="json")
    assert answer.status_code == 200
    assert set(answer.json()) == {"embedding", "query"}
    assert answer.json()["query"] == "beautiful sunset"
    assert len(answer.json()["embedding"]) == 512


# --- Refusals -------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES)
def test_a_stranger_needs_a_token_unless_the_routes_are_public(route: str, api: Api) -> None:
    answer = api().post(f"/api/ai/{route}", {})
    assert answer.status_code == 401
    assert answer.json()["success"] is False


@pytest.mark.parametrize("route", ROUTES)
def test_a_member_has_access(route: str, api: Api, owner: User) -> None:
    assert api(owner).post(f"/api/ai/{route}", {}).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize("route", ["image-features", "classify"])
@pytest.mark.parametrize("field", [None, "file"])
def test_an_image_under_another_name_or_none_is_refused(
    route: str, field: str | None, public: None, api: Api, upload: SimpleUploadedFile
) -> None:
    answer = api().post(f"/api/ai/{route}", {field: upload} if field else {})
    assert answer.status_code == 400
    assert answer.json()["error"] == "Image file is required"


@pytest.mark.django_db
@pytest.mark.parametrize("route", ["image-features", "classify"])
def test_a_file_that_is_no_image_is_refused(route: str, public: None, api: Api) -> None:
    fake = SimpleUploadedFile("test.jpg", b"not an image", "image/jpeg")
    answer = api().post(f"/api/ai/{route}", {"image": fake})
    assert answer.status_code == 400
    assert answer.json()["success"] is False


@pytest.mark.django_db
@pytest.mark.parametrize(
    "labels", ["photo, drawing", '{"a": 1}', "[1, 2]", '"photo"', json.dumps(["x"] * 101)]
)
def test_labels_that_are_no_array_of_strings_are_refused(
    labels: str, public: None, api: Api, upload: SimpleUploadedFile
) -> None:
    answer = api().post("/api/ai/classify", {"image": upload, "labels": labels})
    assert answer.status_code == 400
    assert "labels" in answer.json()["error"]


@pytest.mark.django_db
@pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": "  "}, {"query": None}, [], "text"])
def test_an_empty_query_is_refused(body: Any, public: None, api: Api) -> None:
    assert api().post("/api/ai/text-embedding", body, format="json").status_code == 400


@pytest.mark.django_db
def test_without_a_worker_the_answer_is_503_and_says_so(
    public: None, api: Api, servers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai.services.worker_states", list)
    answer = api().post("/api/ai/text-embedding", {"query": "sunset"}, format="json")
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("The AI is not available")


# --- Health ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/api/health"])
def test_health_reports_the_state_of_each_part(path: str, ready: None, api: Api) -> None:
    answer = api().get(path)
    assert answer.status_code == 200
    body = answer.json()
    assert body["success"] is True
    assert body["status"] == "healthy"
    assert body["device"] == "cpu"
    assert body["models_loaded"] == {"clip": True, "blip": True}
    assert body["database"] is True
    assert body["redis"] is True
    assert body["message"] == "SMIMSO API is running"
    assert body["version"] == "1.0.0"
    assert body["environment"] == "test"
    assert isinstance(body["uptime"], float)
    assert body["timestamp"].endswith("Z")


@pytest.mark.django_db
def test_health_answers_without_redis(api: Api, redis_away: None) -> None:
    answer = api().get("/health")
    assert answer.status_code == 200
    assert answer.json()["redis"] is False
    assert answer.json()["models_loaded"] == {"clip": False, "blip": False}


def test_health_is_503_without_a_database(
    api: Api, servers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "is_database_up", lambda: False)
    answer = api().get("/health")
    assert answer.status_code == 503
    assert answer.json()["database"] is False


def test_health_without_workers_loads_no_models(
    db: None, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> None:
        raise Unavailable

    monkeypatch.setattr("ai.services.worker_states", nobody)
    assert api().get("/health").json()["device"] == "unknown"
