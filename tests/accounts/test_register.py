"""Registration with the frontend's form: eight keys, blanks as empty strings."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import register_user
from smimso.errors import InvalidInput
from smimso.web.auth import user_for_token

pytestmark = pytest.mark.django_db
TAKEN = "User with this email or phone already exists"
BLANK = {"phone": "", "date_of_birth": "", "job": "", "last_name": ""}


def form(**changes: Any) -> dict[str, Any]:
    fields = {
        "email": "new@example.test",
        "phone": "0912 345 678",
        "password": "secret word",
        "confirmPassword": "secret word",
        "first_name": "Linh",
        "last_name": "Nguyễn",
        "date_of_birth": "1999-12-31",
        "job": "photographer",
    }
    return fields | changes


def register(**changes: Any) -> Any:
    body = json.dumps(form(**changes))  # ASCII: half a surrogate pair can be sent only escaped
    return APIClient().post("/api/auth/register", body, content_type="application/json")


def assert_refused(response: Any, text: str | None = None) -> None:
    assert response.status_code == 400
    body = response.json()
    assert body["success"] is False
    assert body["error"] == body["message"]
    if text is not None:
        assert body["error"] == text


def test_registering_creates_a_member_and_logs_in() -> None:
    response = register()
    assert response.status_code == 201
    body = response.json()
    assert body["success"] is True
    assert body["message"] == "Registration successful"
    user = User.objects.get()
    assert user_for_token(body["data"]["token"]) == user
    assert body["data"]["user"]["id"] == str(user.pk)
    assert (user.email, user.phone, user.job) == (
        "new@example.test",
        "+84912345678",
        "photographer",
    )
    assert (user.first_name, user.last_name) == ("Linh", "Nguyễn")
    assert user.date_of_birth == date(1999, 12, 31)
    assert (user.auth_provider, user.is_verified, user.is_active) == ("credential", False, True)
    assert (user.is_staff, user.is_superuser) == (False, False)


def test_the_password_is_stored_as_a_hash_and_never_returned() -> None:
    response = register(password=" spaces count ", confirmPassword=" spaces count ")
    user = User.objects.get()
    assert user.check_password(" spaces count ")
    assert "spaces count" not in user.password
    assert user.password not in response.content.decode()
    assert "spaces count" not in response.content.decode()


def test_two_members_may_leave_the_optional_fields_blank() -> None:
    assert register(**BLANK).status_code == 201
    assert register(**BLANK, email="other@example.test").status_code == 201
    for user in User.objects.all():
        assert (user.phone, user.date_of_birth, user.job, user.last_name) == (None, None, None, "")


@pytest.mark.parametrize("value", [None, "absent"])
def test_optional_fields_may_be_null_or_absent(value: str | None) -> None:
    fields = form(phone=None, date_of_birth=None, job=None)
    if value == "absent":
        for name in ("phone", "date_of_birth", "job", "last_name", "confirmPassword"):
            del fields[name]
    response = APIClient().post("/api/auth/register", fields, format="json")
    assert response.status_code == 201
    assert User.objects.get().phone is None


def test_nobody_makes_themselves_an_administrator() -> None:
    extra = {"is_staff": True, "is_superuser": True, "is_verified": True, "id": "1"}
    assert register(**extra).status_code == 201
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser, user.is_verified) == (False, False, False)


def test_names_and_email_are_trimmed_and_the_email_is_lower_case() -> None:
    register(email="  New@Example.TEST ", first_name="  Linh ", last_name=" Nguyễn ")
    user = User.objects.get()
    assert (user.email, user.full_name) == ("new@example.test", "Linh Nguyễn")


@pytest.mark.parametrize(
    "changes",
    [
        {"phone": "0900000001"},
        {"email": "NEW@EXAMPLE.TEST", "phone": "0900000001"},
        {"email": "other@example.test"},
        {"email": "other@example.test", "phone": " 0912 345 678 "},
    ],
)
def test_an_email_or_phone_can_be_used_once(changes: dict[str, str]) -> None:
    register()
    assert_refused(register(first_name="Second", **changes), TAKEN)
    assert User.objects.get().first_name == "Linh"


def test_the_database_refuses_an_email_in_another_case(member: Callable[..., User]) -> None:
    other = member("Other")
    member("Linh", email="linh@example.test")
    with pytest.raises(IntegrityError, match="users_email_ci_unique"), transaction.atomic():
        User.objects.filter(pk=other.pk).update(email="LINH@example.test")


REFUSED: list[tuple[dict[str, Any], str | None]] = [
    ({"confirmPassword": "another word"}, "Passwords do not match"),
    ({"confirmPassword": "Secret word"}, "Passwords do not match"),
    (
        {"password": "short", "confirmPassword": "short"},
        "This password is too short. It must contain at least 6 characters.",
    ),
    ({"password": "", "confirmPassword": ""}, None),
    ({"password": "x" * 129, "confirmPassword": "x" * 129}, None),
    ({"password": None}, None),
    ({"password": ["secret word"]}, None),
    ({"email": ""}, None),
    ({"email": "not an address"}, None),
    ({"email": f"{'x' * 250}@example.test"}, None),
    ({"email": {"$ne": ""}}, None),
    ({"first_name": ""}, None),
    ({"first_name": "   "}, None),
    ({"first_name": "x" * 101}, None),
    ({"last_name": "x" * 101}, None),
    ({"job": "x" * 256}, None),
    ({"phone": "1" * 21}, None),
    ({"phone": "victim@example.test"}, "Enter a valid phone number"),
    ({"phone": "+--"}, "Enter a valid phone number"),
    ({"date_of_birth": "31.12.1999"}, None),
    ({"date_of_birth": "1999-02-30"}, None),
    ({"first_name": "Li\0nh"}, None),
    ({"email": "n\0ew@example.test"}, None),
    ({"job": "\ud800"}, None),
]


@pytest.mark.parametrize(("changes", "text"), REFUSED)
def test_invalid_values_are_refused_and_create_nobody(
    changes: dict[str, Any], text: str | None
) -> None:
    assert_refused(register(**changes), text)
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["email", "password", "first_name"])
def test_a_missing_required_field_is_named(name: str) -> None:
    fields = form()
    del fields[name]
    response = APIClient().post("/api/auth/register", fields, format="json")
    assert_refused(response, f"{name}: This field is required.")


def test_a_phone_cannot_stand_in_the_way_of_somebodys_email(member: Callable[..., User]) -> None:
    """Login accepts either, so such a phone would block logins by that e-mail."""
    victim = member("Victim", email="v@example.test")
    with pytest.raises(InvalidInput, match="Enter a valid phone number"):
        register_user(
            email="evil@example.test", password="secret", first_name="E", phone="v@example.test"
        )
    assert User.objects.get() == victim


def test_a_token_of_another_member_is_ignored(member: Callable[..., User]) -> None:
    """The frontend sends the header with any token it has stored."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer rubbish")
    assert client.post("/api/auth/register", form(), format="json").status_code == 201
