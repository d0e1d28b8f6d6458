"""GET /auth/me: everything that the frontend stores, and no hash."""

from collections.abc import Callable
from datetime import date

import pytest
from rest_framework.test import APIClient

from accounts.models import User

pytestmark = pytest.mark.django_db


def test_me_is_exactly_what_the_contract_says(
    member: Callable[..., User], api: Callable[..., APIClient]
) -> None:
    user = member(
        "Linh",
        last_name="Nguyễn",
        phone="0912345678",
        date_of_birth=date(1999, 12, 31),
        job="photographer",
        google_id="google-secret",
    )
    response = api(user).get("/api/auth/me")
    assert response.status_code == 200
    body = response.json()
    assert body.keys() == {"success", "data"}
    created = body["data"].pop("created_at")
    assert created == user.created_at.isoformat().replace("+00:00", "Z")
    assert body["data"] == {
        "id": str(user.pk),
        "email": "linh@example.test",
        "phone": "+84912345678",
        "first_name": "Linh",
        "last_name": "Nguyễn",
        "date_of_birth": "1999-12-31",
        "job": "photographer",
        "avatar_url": None,
        "cover_url": None,
        "bio": None,
        "auth_provider": "credential",
        "is_verified": False,
    }


def test_me_never_shows_a_hash_or_an_id_of_another_service(
    member: Callable[..., User], api: Callable[..., APIClient]
) -> None:
    user = member("Linh", google_id="google-secret")
    text = api(user).get("/api/auth/me").content.decode()
    assert user.password not in text
    assert "google-secret" not in text
    assert "password" not in text


def test_me_is_the_owner_of_the_token(
    owner: User, stranger: User, api: Callable[..., APIClient]
) -> None:
    assert api(owner).get("/auth/me").json()["data"]["id"] == str(owner.pk)
    assert api(stranger).get("/auth/me").json()["data"]["id"] == str(stranger.pk)
