"""Hashes of the Node backend and their replacement; changing a password voids tokens."""

import importlib
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import bcrypt
import jwt
import pytest
from django.conf import settings as project_settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import connection
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


def bare_hash(password: str, prefix: bytes = b"2a") -> str:
    """Return a hash as bcryptjs writes it, at a cost that a test can afford."""
    truncated = password.encode()[:72]
    return bcrypt.hashpw(truncated, bcrypt.gensalt(4, prefix)).decode()


def set_imported_password(user: User, password: str, prefix: bytes = b"2a") -> None:
    imported_hash = with_algorithm(bare_hash(password, prefix))
    User.objects.filter(pk=user.pk).update(password=imported_hash)


def login(user: User, password: str) -> Any:
    fields = {"emailOrPhone": user.email, "password": password}
    return APIClient().post("/auth/login", fields, format="json")


@pytest.mark.parametrize("prefix", [b"2a", b"2b"])
@pytest.mark.parametrize("password", [PASSWORD, LONG])
@pytest.mark.usefixtures("hashers")
def test_logging_in_replaces_a_hash_of_the_node_backend(
    owner: User, prefix: bytes, password: str
) -> None:
    set_imported_password(owner, password, prefix)
    assert login(owner, "x" + password).status_code == 401
    assert login(owner, password).status_code == 200
    owner.refresh_from_db()
    assert owner.password.startswith("argon2$argon2id$")
    assert login(owner, password).status_code == 200
    assert login(owner, password[:-1]).status_code == 401


@pytest.mark.usefixtures("hashers")
def test_only_72_bytes_of_an_imported_password_count(owner: User) -> None:
    set_imported_password(owner, LONG)
    assert login(owner, LONG[:40]).status_code == 401
    assert login(owner, LONG + "!").status_code == 200


@pytest.mark.usefixtures("hashers")
def test_a_published_test_vector_of_bcrypt_is_accepted() -> None:
    vector = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"
    assert check_password("abc", with_algorithm(vector))
    assert not check_password("abd", with_algorithm(vector))


@pytest.mark.usefixtures("hashers")
def test_new_passwords_are_hashed_with_argon2id() -> None:
    assert make_password(PASSWORD).startswith("argon2$argon2id$v=19$m=47104,t=1,p=1$")


@pytest.mark.usefixtures("hashers")
def test_replacing_a_hash_leaves_tokens_valid(owner: User, api: Api) -> None:
    set_imported_password(owner, PASSWORD)
    client = api(owner)
    assert login(owner, PASSWORD).status_code == 200
    assert client.get("/auth/me").status_code == 200


@pytest.mark.usefixtures("hashers")
def test_a_member_with_an_imported_password_changes_it(owner: User, api: Api) -> None:
    set_imported_password(owner, PASSWORD)
    client = api(owner)
    assert change(client, password="wrong", newPassword="battery staple").status_code == 400
    assert change(client, password=PASSWORD, newPassword="battery staple").status_code == 200
    owner.refresh_from_db()
    assert owner.password.startswith("argon2$argon2id$")
    assert login(owner, "battery staple").status_code == 200


# --- The migration that put the algorithm in front of imported hashes ---------------------------


def prefix_hashes() -> None:
    """Run the migration's function alone: those after it cannot be undone within a test."""
    migration = importlib.import_module("accounts.migrations.0005_prefix_bcrypt_hashes")
    with patch.object(migration, "BATCH_SIZE", 2):
        migration.prefix_hashes(None, SimpleNamespace(connection=connection))


def stored_hashes() -> dict[str, str]:
    return dict(User.objects.values_list("first_name", "password"))


@pytest.mark.usefixtures("hashers")
def test_the_migration_prefixes_bare_hashes_only(member: Callable[..., User]) -> None:
    bare = {f"Bare{n}": bare_hash(PASSWORD, prefix) for n, prefix in enumerate([b"2a", b"2b"] * 3)}
    others = {
        "Prefixed": with_algorithm(bare_hash(PASSWORD)),
        "Argon": make_password(PASSWORD),
        "Unusable": make_password(None),
        "Incomplete": "$2a$10$placeholder",
        "Empty": "",
    }
    for name, password_hash in {**bare, **others}.items():
        User.objects.filter(pk=member(name).pk).update(password=password_hash)
    updated_at = dict(User.objects.values_list("first_name", "updated_at"))
    for _run in ("first", "repeated"):
        prefix_hashes()
        expected = {name: f"bcrypt${password_hash}" for name, password_hash in bare.items()}
        assert stored_hashes() == {**expected, **others}
    assert dict(User.objects.values_list("first_name", "updated_at")) == updated_at
    user = User.objects.get(first_name="Bare0")
    assert login(user, "x" + PASSWORD).status_code == 401
    assert login(user, PASSWORD).status_code == 200
    user.refresh_from_db()
    assert user.password.startswith("argon2$argon2id$")


def test_the_migration_runs_on_an_empty_table() -> None:
    prefix_hashes()
    assert not User.objects.exists()


# --- Changing the password ----------------------------------------------------------------------


def change(client: APIClient, **fields: Any) -> Any:
    return client.post("/api/auth/change-password", fields, format="json")


def test_changing_the_password_voids_all_tokens_but_the_new_one(owner: User, api: Api) -> None:
    before = api(owner)
    response = change(before, password=PASSWORD, newPassword="battery staple")
    assert response.status_code == 200
    assert before.get("/auth/me").status_code == 401
    after = APIClient()
    after.credentials(HTTP_AUTHORIZATION=f"Bearer {response.json()['data']['token']}")
    assert after.get("/auth/me").status_code == 200
    assert login(owner, PASSWORD).status_code == 401
    assert login(owner, "battery staple").status_code == 200


def test_changing_the_password_voids_tokens_of_the_node_backend(owner: User) -> None:
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
