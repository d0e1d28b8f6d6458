"""Pages: settings, changing the password, deleting the account."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
NEW = "battery staple"
CHANGE = {"password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
PAGES = ["/settings", "/settings/password", "/settings/delete", "/settings/profile"]


@pytest.fixture
def browser(client: Client, owner: User) -> Client:
    """Return a client that logged in by the form."""
    client.post("/login", {"email_or_phone": owner.email, "password": PASSWORD})
    return client


def has_password(user: User, password: str) -> bool:
    return User.objects.get(pk=user.pk).check_password(password)


@pytest.mark.parametrize("path", PAGES)
def test_strangers_log_in_first(client: Client, path: str) -> None:
    for response in (client.get(path), client.post(path, CHANGE)):
        assert response.headers["Location"] == f"/login?next={path}"


def test_the_menu_links_to_the_settings_and_these_to_the_forms(browser: Client) -> None:
    assert 'href="/settings"' in browser.get("/").text
    page = browser.get("/settings").text
    for path in PAGES[1:]:
        assert f'href="{path}"' in page
        assert browser.get(path).status_code == 200
    assert "owner@example.test" in page
    vietnamese = browser.get("/settings", headers={"Accept-Language": "vi"}).text
    assert "Cài đặt" in vietnamese


def test_a_member_without_a_password_is_offered_a_link(client: Client, owner: User) -> None:
    owner.set_unusable_password()
    owner.save()
    client.force_login(owner)
    page = client.get("/settings").text
    assert 'href="/password/forgotten"' in page
    assert 'href="/settings/password"' not in page
    assert f'value="{owner.email}"' in client.get("/password/forgotten").text


# --- Changing the password ----------------------------------------------------------------------


def test_changing_the_password_ends_other_sessions_and_tokens(
    browser: Client, owner: User, api: Callable[..., APIClient]
) -> None:
    elsewhere, program = Client(), api(owner)
    elsewhere.force_login(owner)
    response = browser.post("/settings/password", CHANGE)
    assert response.headers["Location"] == "/settings"
    assert "Your password has been changed." in browser.get("/settings").text
    assert "Your password has been changed." not in browser.get("/settings").text
    assert elsewhere.get("/settings").status_code == 302
    assert program.get("/auth/me").status_code == 401
    assert has_password(owner, NEW)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"password": "wrong"}, "Mật khẩu không đúng"),
        ({"password": ""}, "Trường này là bắt buộc"),
        ({"new_password2": "another one"}, "Hai mật khẩu không khớp."),
        ({"new_password1": "short", "new_password2": "short"}, "ít nhất 6 ký tự"),
    ],
)
def test_a_wrong_current_or_weak_new_password_changes_nothing(
    browser: Client,
    owner: User,
    api: Callable[..., APIClient],
    changes: dict[str, str],
    text: str,
) -> None:
    program = api(owner)
    headers = {"Accept-Language": "vi"}
    response = browser.post("/settings/password", CHANGE | changes, headers=headers)
    assert response.status_code == 400
    assert text in response.text
    assert has_password(owner, PASSWORD)
    assert program.get("/auth/me").status_code == 200
    assert browser.get("/settings").status_code == 200


@pytest.mark.parametrize("path", ["/settings/password", "/settings/delete"])
def test_guesses_are_throttled_together_with_the_api_and_reveal_nothing(
    browser: Client, owner: User, api: Callable[..., APIClient], settings: Any, path: str
) -> None:
    settings.THROTTLES = {"password": "2/1h"}
    assert browser.post(path, CHANGE | {"password": "wrong"}).status_code == 400
    wrong = {"password": "wrong", "newPassword": NEW}
    api(owner).post("/api/auth/change-password", wrong, format="json")
    answers = [browser.post(path, CHANGE | {"password": p}) for p in ("wrong", PASSWORD)]
    for response in answers:
        assert response.status_code == 429
        assert 1 <= int(response.headers["Retry-After"]) <= 3600
        assert "Too many requests" in response.text
        assert "not correct" not in response.text
    assert has_password(owner, PASSWORD)


# --- Deleting the account -----------------------------------------------------------------------


def test_an_account_is_deleted_with_the_password(
    browser: Client, owner: User, stranger: User
) -> None:
    response = browser.post("/settings/delete", {"password": PASSWORD})
    assert response.headers["Location"] == "/"
    page = browser.get("/")
    assert "Your account has been deleted." in page.text
    assert not page.context["user"].is_authenticated
    assert list(User.objects.all()) == [stranger]


@pytest.mark.parametrize("password", ["wrong", ""])
def test_an_account_is_not_deleted_without_the_password(
    browser: Client, owner: User, password: str
) -> None:
    assert browser.post("/settings/delete", {"password": password}).status_code == 400
    assert browser.get("/settings/delete").status_code == 200
    assert User.objects.filter(pk=owner.pk).exists()
