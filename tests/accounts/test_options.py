"""Choices of forms, and the survey."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import Category, Survey, User

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


@pytest.mark.parametrize("mount", ["", "/api"])
@pytest.mark.parametrize("header", ["", "Bearer expired"])
def test_jobs_need_no_token_and_no_valid_one(mount: str, header: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    response = client.get(f"{mount}/options/jobs")
    assert response.status_code == 200
    body = response.json()
    assert body["message"] == "Job options retrieved successfully"
    assert len(body["data"]) == 14
    assert body["data"][0] == {"value": "student", "label": "Sinh viên"}
    assert body["data"][-1] == {"value": "other", "label": "Khác"}


def test_categories_are_sorted_and_have_no_inner_fields() -> None:
    body = APIClient().get("/api/options/categories").json()
    names = [category["name"] for category in body["data"]]
    assert names == sorted(names)
    assert len(names) == 10
    assert body["data"][0].keys() == {"id", "name", "slug", "description", "icon_url"}


def test_all_options_at_once() -> None:
    data = APIClient().get("/options").json()["data"]
    assert data.keys() == {"jobs", "categories", "purposes", "sources", "expectations"}
    assert [len(options) for options in data.values()] == [14, 10, 8, 8, 5]


def test_the_survey_has_lists_of_its_own() -> None:
    data = APIClient().get("/survey/options").json()["data"]
    purposes = [option["value"] for option in data["usagePurposes"]]
    sources = [option["value"] for option in data["awarenessSources"]]
    assert purposes == [
        *("share_ideas", "find_inspiration", "connect_community", "store_images", "other")
    ]
    assert sources == ["friends", "social_media", "advertisement", "search", "other"]
    assert len(data["categories"]) == 10


@pytest.fixture
def answer(db: None) -> dict[str, Any]:
    chosen = Category.objects.values_list("pk", flat=True)[:2]
    return {
        "favorite_categories": [str(pk) for pk in chosen],
        "usage_purposes": ["share_ideas", "other"],
        "awareness_source": "friends",
        "expectation_level": 5,
    }


def test_a_second_answer_replaces_the_first(owner: User, api: Api, answer: dict[str, Any]) -> None:
    client = api(owner)
    assert client.get("/survey").json() == {
        "success": True,
        "message": "No survey found",
        "data": None,
    }
    assert client.get("/survey/status").json()["data"] == {"hasCompleted": False}
    first = client.post("/api/survey", answer, format="json")
    assert first.status_code == 201
    assert first.json()["message"] == "Survey submitted successfully"
    data = first.json()["data"]
    assert data == data | answer | {"user_id": str(owner.pk)}
    assert data.keys() == answer.keys() | {"id", "user_id", "completed_at"}
    again = client.post("/api/survey", answer | {"expectation_level": 1}, format="json").json()
    assert again["data"]["id"] == data["id"]
    assert again["data"]["completed_at"] > data["completed_at"]
    assert client.get("/survey").json()["data"] == again["data"]
    assert client.get("/survey/status").json()["data"] == {"hasCompleted": True}


@pytest.mark.parametrize(
    "changes",
    [
        {"favorite_categories": []},
        {"favorite_categories": ["art"]},
        {"favorite_categories": [str(uuid4())]},
        {"favorite_categories": "all"},
        {"usage_purposes": []},
        {"usage_purposes": ["spam"]},
        {"awareness_source": ""},
        {"awareness_source": "spam"},
        {"expectation_level": 0},
        {"expectation_level": 6},
        {"expectation_level": "high"},
    ],
)
def test_invalid_answers_are_not_stored(
    owner: User, api: Api, answer: dict[str, Any], changes: dict[str, Any]
) -> None:
    response = api(owner).post("/survey", answer | changes, format="json")
    assert response.status_code == 400
    assert not Survey.objects.exists()


def test_nobody_answers_for_somebody_else(
    owner: User, stranger: User, api: Api, answer: dict[str, Any]
) -> None:
    forged = answer | {"user_id": str(owner.pk), "user": str(owner.pk)}
    assert api(stranger).post("/survey", forged, format="json").status_code == 201
    assert APIClient().post("/survey", forged, format="json").status_code == 401
    assert not Survey.objects.filter(user=owner).exists()
