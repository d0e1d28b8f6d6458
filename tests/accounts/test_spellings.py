"""The same password, phone number or e-mail address typed in another way."""

import importlib
import unicodedata
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import bcrypt
import pytest
from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import services
from accounts.hashers import with_algorithm
from accounts.models import User
from accounts.passwords import MAX_NORMALIZED, normalize_password, password_forms
from smimso import settings as shipped
from smimso.login_names import normalize_email, normalize_phone
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
COMPOSED = "mật khẩu của tôi"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
PARTLY = "mâ\u0323t khâ\u0309u cu\u0309a tôi"  # as the Vietnamese keyboard of Windows types it
NUMBER = "+84912345678"
SPELLINGS = [
    *("0912345678", "0912 345678", "0912.345.678", "(0912) 345-678", "912345678"),
    *("+84912345678", "84912345678", "0084912345678", "(+84) 912 345 678", "+84 (0) 912 345 678"),
    *(
        "０９１２３４５６７８",
        "＋８４９１２３４５６７８",
        "\u202a+84 912\u00a0345\u00a0678\u202c",
        "0912‑345‑678",
    ),
    "٠٩١٢٣٤٥٦٧٨",
]


def register(**changes: Any) -> Any:
    fields = {"email": "new@example.test", "password": COMPOSED, "first_name": "Linh", **changes}
    return APIClient().post("/api/auth/register", fields, format="json")


def login(name: str, password: str = COMPOSED) -> int:
    fields = {"emailOrPhone": name, "password": password}
    return APIClient().post("/api/auth/login", fields, format="json").status_code


def store_hash(user: User, encoded: str) -> None:
    User.objects.filter(pk=user.pk).update(password=encoded)


# --- Passwords --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password", [COMPOSED, DECOMPOSED, PARTLY, COMPOSED.replace(" ", "\u3000")]
)
def test_a_password_is_the_same_in_any_form(client: Client, password: str) -> None:
    assert register(password=password, confirmPassword=COMPOSED).status_code == 201
    for typed in (COMPOSED, DECOMPOSED, PARTLY, COMPOSED.replace(" ", "\u00a0")):
        assert login("new@example.test", typed) == 200
        form = {"email_or_phone": "new@example.test", "password": typed}
        assert client.post("/login", form).status_code == 302
        client.logout()
    assert login("new@example.test", COMPOSED.upper()) == 401
    assert login("new@example.test", COMPOSED.replace(" ", "")) == 401


@pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED])
def test_nothing_else_of_a_password_changes(typed: str) -> None:
    assert normalize_password(typed) == COMPOSED
    for text in ("ﬁ", "Ａ", "\u200b", "\t", "A", " a  b "):
        assert normalize_password(text) == text


@pytest.mark.parametrize("old", [DECOMPOSED, PARTLY, COMPOSED.replace(" ", "\u00a0")])
@pytest.mark.parametrize("imported", [False, True])
def test_an_older_hash_of_the_text_as_typed_is_accepted_and_renewed(
    owner: User, settings: Any, old: str, imported: bool
) -> None:
    settings.PASSWORD_HASHERS = shipped.PASSWORD_HASHERS
    node_hash = bcrypt.hashpw(old.encode()[:72], bcrypt.gensalt(4)).decode()
    store_hash(owner, with_algorithm(node_hash) if imported else make_password(old))
    assert login(owner.email, "another") == 401
    assert login(owner.email, old) == 200
    owner.refresh_from_db()
    assert owner.password.startswith("argon2$")
    assert owner.tokens_valid_from is None  # tokens stay valid
    assert login(owner.email, COMPOSED) == 200


def test_an_older_decomposed_hash_accepts_what_another_system_types(owner: User) -> None:
    store_hash(owner, make_password(DECOMPOSED))
    assert login(owner.email, COMPOSED) == 200


def test_a_changed_or_reset_password_is_the_same_in_any_form(owner: User) -> None:
    owner.set_password(COMPOSED)
    owner.save()
    services.change_password(user=owner, password=DECOMPOSED, new_password="ngày " + DECOMPOSED)
    assert login(owner.email, "ngày " + COMPOSED) == 200
    services.reset_password(user=owner, new_password=PARTLY)
    assert login(owner.email, COMPOSED) == 200


def test_characters_of_a_password_are_counted_as_they_look(client: Client, owner: User) -> None:
    short = unicodedata.normalize("NFD", "ấấấ")
    assert len(short) > 6
    text = "This password is too short. It must contain at least 6 characters."
    assert register(password=short, confirmPassword=short).json()["error"] == text
    long = "ấ" * 128
    assert register(password=unicodedata.normalize("NFD", long)).status_code == 201
    assert login("new@example.test", unicodedata.normalize("NFD", long)) == 200
    owner.is_staff = owner.is_superuser = True
    owner.save()
    client.force_login(owner)
    form = {"email": "x@example.test", "first_name": "X", "last_name": "Y"}
    form |= {"usable_password": "true", "password1": short, "password2": short}
    assert text in client.post("/admin/accounts/user/add/", form).text


def test_an_unknown_member_costs_as_many_hashes_as_a_known_one(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(services, "make_password", hashed.append)
    assert login("nobody@example.test", PARTLY) == 401
    assert hashed == password_forms(PARTLY) == [COMPOSED, PARTLY, DECOMPOSED]


def test_a_huge_password_is_compared_as_typed() -> None:
    huge = "\u0301\u0316" * MAX_NORMALIZED
    assert password_forms(huge) == [huge]


# --- Phone numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize("typed", SPELLINGS)
def test_spellings_of_a_phone_number_are_one_account(typed: str) -> None:
    assert register(phone=typed).status_code == 201
    assert User.objects.get().phone == NUMBER
    for other in SPELLINGS:
        assert normalize_phone(other) == NUMBER
    assert login("0912 345 678") == login(typed) == 200
    refused = register(email="other@example.test", phone="0912-345-678")
    assert refused.json()["error"] == "User with this email or phone already exists"


@pytest.mark.parametrize(
    "typed", ["12345", "0912", "call me", "+--", "0912345678x5", "091234567,8", "1" * 20]
)
def test_what_is_no_phone_number_is_refused(typed: str) -> None:
    response = register(phone=typed)
    assert (response.status_code, response.json()["error"]) == (400, "Enter a valid phone number")


def test_a_number_of_another_country_stays_there(settings: Any) -> None:
    assert normalize_phone("+44 7911 123456") == "+447911123456"
    settings.PHONE_REGION = "FR"
    assert normalize_phone("06 12 34 56 78") == "+33612345678"


def test_a_number_is_one_on_the_profile_and_in_the_admin(
    client: Client, owner: User, stranger: User, api: Callable[..., APIClient]
) -> None:
    saved = api(owner).put("/api/users/profile", {"phone": "0912 345 678"}, format="json")
    assert saved.json()["data"]["phone"] == NUMBER
    again = api(owner).put("/api/users/profile", {"phone": "84912345678"}, format="json")
    assert again.json()["data"]["phone"] == NUMBER
    taken = api(stranger).put("/api/users/profile", {"phone": "0912345678"}, format="json")
    assert taken.json()["error"] == "This phone number is already in use"
    User.objects.filter(pk=owner.pk).update(is_staff=True, is_superuser=True)
    client.force_login(owner)
    path = f"/admin/accounts/user/{stranger.pk}/change/"
    form = {"email": stranger.email, "first_name": "S", "is_active": "on"}
    assert stranger.email not in client.get("/admin/accounts/user/", {"q": "0912 345 678"}).text
    assert owner.email in client.get("/admin/accounts/user/", {"q": "0912 345 678"}).text
    assert "already exists" in client.post(path, form | {"phone": "0912 345 678"}).text
    assert "Enter a valid phone number" in client.post(path, form | {"phone": "12"}).text
    assert client.post(path, form | {"phone": "0987 654 321"}).status_code == 302
    stranger.refresh_from_db()
    assert stranger.phone == "+84987654321"


def test_the_oldest_member_keeps_a_number_and_the_others_can_still_log_in(
    member: Callable[..., User], api: Callable[..., APIClient]
) -> None:
    typed = {"A": "0912 345678", "B": "0912345678", "C": "(0912)345678", "D": "ext. 7", "E": "0987"}
    typed |= {"F": "+84987654321", "G": "0987654321"}
    members = {name: member(name) for name in typed}
    for name, phone in typed.items():
        User.objects.filter(pk=members[name].pk).update(phone=phone, created_at=timezone.now())
    migration = importlib.import_module("accounts.migrations.0008_phone_numbers_in_one_form")
    for _ in range(2):
        migration.normalize_phones(apps, SimpleNamespace(connection=connection))
        stored = dict(User.objects.values_list("first_name", "phone"))
        assert stored == typed | {"A": NUMBER}
    for name, phone in typed.items():
        assert services.authenticate_user(email_or_phone=phone, password=PASSWORD).pk == (
            members[name].pk
        )
    other = api(members["B"]).put("/api/users/profile", {"phone": "0912345678"}, format="json")
    assert other.status_code == 200


def test_guesses_at_one_phone_number_are_counted_in_every_spelling(settings: Any) -> None:
    settings.THROTTLES = {"password": "3/1h"}
    assert [login(typed) for typed in SPELLINGS[:4]] == [401, 401, 401, 429]


# --- E-mail addresses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    ["NEW@Example.TEST", " ｎｅｗ＠ｅｘａｍｐｌｅ．ｔｅｓｔ", "\ufeffnew@example.test\u200b"],
)
def test_spellings_of_an_address_are_one_account(typed: str) -> None:
    assert register(email=typed).status_code == 201
    assert User.objects.get().email == normalize_email(typed) == "new@example.test"
    assert login(typed) == 200
    assert register(email="new@example.test").status_code == 400
