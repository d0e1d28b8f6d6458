"""Hashes of the Node backend, their renewal, and what another password does to tokens."""

import time
from collections.abc import Callable
from typing import Any

import bcrypt
import jwt
import pytest
from django.conf import settings as project_settings
from django.contrib.auth.hashers import check_password, make_password
from rest_framework.test import APIClient

from accounts.hashers import with_algorithm
from accounts.models import User
from smimso import settings as shipped
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
LONG = "mật khẩu rất dài " * 8  # more than 72 bytes


@pytest.fixture
def hashers(settings: Any) -> None:
    settings.PASSWORD_HASHERS = shipped.PASSWORD_HASHERS


def raw_hash(password: str, prefix: bytes = b"2a") -> str:
    """As bcryptjs wrote it, at a cost that a test can afford."""
    cut = password.encode()[:72]
    return bcrypt.hashpw(cut, bcrypt.gensalt(4, prefix)).decode()


def login(user: User, password: str) -> Any:
    fields = {"emailOrPhone": user.email, "password": password}
    return APIClient().post("/auth/login", fields, format="json")


@pytest.mark.parametrize("prefix", [b"2a", b"2b"])
@pytest.mark.parametrize("password", [PASSWORD, LONG])
@pytest.mark.usefixtures("hashers")
def test_a_hash_of_the_node_backend_opens_and_is_renewed(
    owner: User, prefix: bytes, password: str
) -> None:
    User.objects.filter(pk=owner.pk).update(password=raw_hash(password, prefix))
    assert login(owner, "x" + password).status_code == 401
    assert login(owner, password).status_code == 200
    owner.refresh_from_db()
    assert owner.password.startswith("argon2$argon2id$")
    assert login(owner, password).status_code == 200
    assert login(owner, password[:-1]).status_code == 401


@pytest.mark.usefixtures("hashers")
def test_bcrypt_cut_passwords_after_72_bytes(owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(password=raw_hash(LONG))
    assert login(owner, LONG[:40]).status_code == 401
    assert login(owner, LONG + "!").status_code == 200


@pytest.mark.usefixtures("hashers")
def test_a_published_vector_of_bcrypt_is_checked_right() -> None:
    vector = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"
    assert check_password("abc", with_algorithm(vector))
    assert not check_password("abd", with_algorithm(vector))


@pytest.mark.usefixtures("hashers")
def test_new_passwords_are_kept_by_a_memory_hard_function() -> None:
    assert make_password(PASSWORD).startswith("argon2$argon2id$v=19$m=47104,t=1,p=1$")


@pytest.mark.usefixtures("hashers")
def test_renewing_a_hash_leaves_tokens_valid(owner: User, api: Api) -> None:
    User.objects.filter(pk=owner.pk).update(password=raw_hash(PASSWORD))
    client = api(owner)
    assert login(owner, PASSWORD).status_code == 200
    assert client.get("/auth/me").status_code == 200


def change(client: APIClient, **fields: Any) -> Any:
    return client.post("/api/auth/change-password", fields, format="json")


def test_another_password_voids_every_token_but_the_new_one(owner: User, api: Api) -> None:
    before = api(owner)
    response = change(before, password=PASSWORD, newPassword="battery staple")
    assert response.status_code == 200
    assert before.get("/auth/me").status_code == 401
    after = APIClient()
    after.credentials(HTTP_AUTHORIZATION=f"Bearer {response.json()['data']['token']}")
    assert after.get("/auth/me").status_code == 200
    assert login(owner, PASSWORD).status_code == 401
    assert login(owner, "battery staple").status_code == 200


def test_a_token_of_the_node_backend_is_void_after_the_change(owner: User) -> None:
    now = int(time.time())
    claims = {"id": str(owner.pk), "email": owner.email, "iat": now - 60, "exp": now + 60}
    client = APIClient()
    token = jwt.encode(claims, project_settings.JWT_SECRET, "HS256")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert client.get("/auth/me").status_code == 200
    owner.set_password("battery staple")  # as the admin does
    owner.save()
    assert client.get("/auth/me").status_code == 401


@pytest.mark.parametrize(
    "fields",
    [
        {"newPassword": "battery staple"},
        {"password": "wrong", "newPassword": "battery staple"},
        {"password": "", "newPassword": "battery staple"},
        {"password": PASSWORD, "newPassword": "short"},
        {"password": PASSWORD},
        {"password": PASSWORD, "newPassword": ["battery staple"]},
        {"googleToken": "x", "newPassword": "battery staple"},
    ],
)
def test_without_the_password_nothing_changes(
    owner: User, api: Api, fields: dict[str, Any]
) -> None:
    client = api(owner)
    response = change(client, **fields)
    assert response.status_code == 400
    assert response.json()["success"] is False
    assert client.get("/auth/me").status_code == 200
    assert login(owner, PASSWORD).status_code == 200


def test_a_stranger_changes_only_their_own_password(owner: User, stranger: User, api: Api) -> None:
    body = {"password": PASSWORD, "newPassword": "battery staple", "id": str(owner.pk)}
    assert change(api(stranger), **body).status_code == 200
    assert login(owner, PASSWORD).status_code == 200
    assert change(APIClient(), **body).status_code == 401
