"""Members with like interests."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Category, Survey, User

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
Member = Callable[..., User]


def answers(user: User, categories: str, purposes: str) -> None:
    chosen = [str(Category.objects.get(slug=slug).pk) for slug in categories.split()]
    Survey.objects.create(
        user=user,
        favorite_categories=chosen,
        usage_purposes=purposes.split(),
        completed_at=timezone.now(),
    )


def similar(client: APIClient, **query: Any) -> list[dict[str, Any]]:
    response = client.get("/api/recommendations/similar-users", query)
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.json()["data"]
    return found


def test_scores_are_weighted_likeness_with_names(owner: User, member: Member, api: Api) -> None:
    answers(owner, "art travel", "learn hobby")
    answers(member("Same"), "travel art", "hobby learn")
    answers(member("Half"), "art food", "learn")
    answers(member("Silent"), "art travel", "")
    answers(member("Other"), "sports", "business")
    answers(member("Gone", is_active=False), "art travel", "learn hobby")
    member("NoSurvey")
    found = similar(api(owner))
    scores = {user["first_name"]: user["similarity_score"] for user in found}
    assert scores == {
        "Same": pytest.approx(1.0),
        "Silent": pytest.approx(1.0),  # what is left open weighs nothing
        "Half": pytest.approx(0.6 / 3 + 0.4 / 2),
    }
    assert found[-1]["first_name"] == "Half"
    assert found[-1]["shared_interests"] == [Category.objects.get(slug="art").name]
    assert found[-1].keys() == {
        *("id", "first_name", "last_name", "avatar_url", "job"),
        *("similarity_score", "shared_interests"),
    }
    assert len(similar(api(owner), limit=1)) == 1


def test_imported_answers_may_be_empty_or_unknown(owner: User, member: Member, api: Api) -> None:
    answers(owner, "art", "learn")
    Survey.objects.create(user=member("Null"), completed_at=timezone.now())
    Survey.objects.create(
        user=member("Odd"),
        favorite_categories=["no-uuid"],
        usage_purposes=["learn"],
        completed_at=timezone.now(),
    )
    found = similar(api(owner))
    assert [(user["first_name"], user["shared_interests"]) for user in found] == [("Odd", [])]
    assert found[0]["similarity_score"] == pytest.approx(0.4)


def test_without_a_survey_there_is_nobody(owner: User, member: Member, api: Api) -> None:
    answers(member("Same"), "art", "learn")
    assert similar(api(owner)) == []
    assert APIClient().get("/recommendations/similar-users").status_code == 401


def test_it_is_one_query(owner: User, member: Member, api: Api) -> None:
    answers(owner, "art", "learn")
    for number in range(5):
        answers(member(f"M{number}"), "art", "learn")
    client = api(owner)
    with CaptureQueriesContext(connection) as queries:
        assert len(similar(client)) == 5
    assert len(queries) == 2  # and the one that knows the token
