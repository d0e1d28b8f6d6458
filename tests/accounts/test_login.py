"""Logging in by e-mail or phone; refusals reveal nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from smimso.web.auth import user_for_token

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse"
REQUIRED = "Email/Phone and password are required"


def login(name: Any, password: Any = PASSWORD, **more: Any) -> Any:
    body = {"emailOrPhone": name, "password": password, **more}
    return APIClient().post("/api/auth/login", body, format="json")


def assert_refused(response: Any, status: int, text: str) -> None:
    assert response.status_code == status
    assert response.json() == {"success": False, "error": text, "message": text}


@pytest.fixture
def linh(member: Callable[..., User]) -> User:
    return member("Linh", phone="0912345678", last_name="Nguyễn", bio="Chụp ảnh.")


@pytest.mark.parametrize(
    "name", ["linh@example.test", "LINH@Example.Test", "  linh@example.test ", "0912345678"]
)
def test_a_member_logs_in_by_email_or_phone(linh: User, name: str) -> None:
    response = login(name, rememberMe=True)
    assert response.status_code == 200
    body = response.json()
    assert (body["success"], body["message"]) == (True, "Login successful")
    assert user_for_token(body["data"]["token"]) == linh
    assert body["data"]["user"]["id"] == str(linh.pk)


def test_the_response_is_the_profile_that_the_frontend_stores(linh: User) -> None:
    profile = login("0912345678").json()["data"]["user"]
    token = login("0912345678").json()["data"]["token"]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert profile == client.get("/api/auth/me").json()["data"]
    assert profile["bio"] == "Chụp ảnh."


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("linh@example.test", "wrong horse"),
        ("linh@example.test", "Correct horse"),
        ("linh@example.test", " correct horse"),
        ("0912345678", "wrong horse"),
        ("nobody@example.test", PASSWORD),
        ("0000000", PASSWORD),
        ("%@example.test", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
    ],
)
def test_a_wrong_password_and_an_unknown_member_get_the_same_answer(
    linh: User, name: str, password: str
) -> None:
    assert_refused(login(name, password), 401, "Invalid credentials")


def test_deactivation_is_revealed_only_with_the_correct_password(linh: User) -> None:
    linh.is_active = False
    linh.save()
    assert_refused(login("linh@example.test", "wrong"), 401, "Invalid credentials")
    assert_refused(login("linh@example.test"), 401, "Account is deactivated")


def test_a_member_without_a_password_cannot_log_in_with_one(member: Callable[..., User]) -> None:
    user = member("Google")
    user.set_unusable_password()
    user.save()
    for password in ("!", user.password, "None"):
        assert_refused(login(user.email, password), 401, "Invalid credentials")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        ("linh@example.test", ""),
        (None, PASSWORD),
        ("linh@example.test", None),
        ({"$ne": ""}, PASSWORD),
        ("linh@example.test", ["x"]),
        ("linh\0@example.test", PASSWORD),
        ("linh@example.test", "pass\0word"),
        ("x" * 300, PASSWORD),
        ("linh@example.test", "x" * 1025),
    ],
)
def test_both_fields_are_required(linh: User, name: Any, password: Any) -> None:
    assert_refused(login(name, password), 400, REQUIRED)


def test_an_email_stored_as_a_phone_elsewhere_does_not_stop_its_owner(
    linh: User, member: Callable[..., User]
) -> None:
    """Imported rows were not validated."""
    for number in range(8):
        member(f"Evil{number}", phone=f"{number}@example.test")
    User.objects.filter(first_name="Evil0").update(phone=linh.email)
    assert user_for_token(login(linh.email).json()["data"]["token"]) == linh


def test_an_old_hash_is_upgraded(linh: User, settings: Any) -> None:
    hasher = "django.contrib.auth.hashers"
    settings.PASSWORD_HASHERS = [
        f"{hasher}.PBKDF2PasswordHasher",
        f"{hasher}.MD5PasswordHasher",
    ]
    assert linh.password.startswith("md5$")
    assert login(linh.email).status_code == 200
    linh.refresh_from_db()
    assert linh.password.startswith("pbkdf2_sha256$")


def test_an_unknown_member_takes_as_long_as_a_wrong_password(
    linh: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr("accounts.services.make_password", hashed.append)
    login("nobody@example.test", "some word")
    assert hashed == ["some word"]
