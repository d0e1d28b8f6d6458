"""The pages to register, log in and log out."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NEW_MEMBER = {
    "first_name": "Hà",
    "email": "Ha@Example.test",
    "password": "mật khẩu",
    "password_again": "mật khẩu",
}


def is_logged_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_visitor_registers_and_is_logged_in(client: Client) -> None:
    response = client.post("/register", NEW_MEMBER)
    assert response.status_code == 302
    assert response.headers["Location"] == "/"
    assert User.objects.get(email="ha@example.test").first_name == "Hà"
    assert is_logged_in(client)


def test_two_different_passwords_register_nobody(client: Client) -> None:
    response = client.post("/register", {**NEW_MEMBER, "password_again": "other"})
    assert response.status_code == 400
    assert "The two passwords do not match." in response.text
    assert not User.objects.exists()


def test_an_invalid_phone_is_reported_at_its_field(client: Client) -> None:
    response = client.post("/register", {**NEW_MEMBER, "phone": "call me"})
    assert response.status_code == 400
    assert response.context["form"].errors == {"phone": ["Enter a valid phone number"]}
    assert not User.objects.exists()


def test_an_email_that_is_taken_is_refused_in_the_members_language(
    client: Client, owner: User
) -> None:
    response = client.post(
        "/register",
        {**NEW_MEMBER, "email": owner.email.upper()},
        headers={"Accept-Language": "vi"},
    )
    assert response.status_code == 400
    assert "đã được đăng ký" in response.text
    assert not is_logged_in(client)


@pytest.mark.parametrize("login", ["owner@example.test", " OWNER@example.test ", "+84 901"])
def test_a_member_logs_in_by_email_or_phone(
    client: Client, member: Callable[..., User], login: str
) -> None:
    member("Owner", phone="+84 901")
    response = client.post("/login", {"email_or_phone": login, "password": PASSWORD})
    assert response.status_code == 302
    assert is_logged_in(client)


def test_a_wrong_password_logs_nobody_in(client: Client, owner: User) -> None:
    response = client.post("/login", {"email_or_phone": owner.email, "password": "wrong"})
    assert response.status_code == 400
    assert "Invalid credentials" in response.text
    assert not is_logged_in(client)


def test_a_deactivated_member_is_not_logged_in(client: Client, member: Callable[..., User]) -> None:
    gone = member("Gone", is_active=False)
    response = client.post("/login", {"email_or_phone": gone.email, "password": PASSWORD})
    assert response.status_code == 400
    assert not is_logged_in(client)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("/upload", "/upload"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_after_login_only_this_site_is_next(
    client: Client, owner: User, wanted: str, expected: str
) -> None:
    form = {"email_or_phone": owner.email, "password": PASSWORD, "next": wanted}
    assert client.post("/login", form).headers["Location"] == expected
    assert client.get("/login", {"next": wanted}).headers["Location"] == expected


def test_login_without_a_csrf_token_is_refused_with_a_page(owner: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/login", {"email_or_phone": owner.email, "password": PASSWORD})
    assert response.status_code == 403
    assert "The form has expired" in response.text


def test_guessing_a_password_is_throttled_together_with_the_api(
    client: Client, owner: User, stranger: User, settings: Any
) -> None:
    settings.THROTTLES = {"password": "3/1h"}
    guess = {"email_or_phone": owner.email, "password": "wrong"}
    assert client.post("/login", guess).status_code == 400
    for _ in range(2):
        fields = {"emailOrPhone": owner.email, "password": "wrong"}
        Client().post("/api/auth/login", fields, content_type="application/json")
    right = {"email_or_phone": f" {owner.email.upper()}", "password": PASSWORD}
    response = client.post("/login", right, headers={"Accept-Language": "vi"})
    assert response.status_code == 429
    assert "Quá nhiều yêu cầu" in response.text
    assert 1 <= int(response.headers["Retry-After"]) <= 3600
    assert not is_logged_in(client)
    assert client.get("/login").status_code == 200
    other = {"email_or_phone": stranger.email, "password": PASSWORD}
    assert client.post("/login", other).status_code == 302


def test_the_admins_login_allows_no_more_guesses(
    client: Client, member: Callable[..., User], settings: Any
) -> None:
    settings.THROTTLES = {"password": "3/1h"}
    admin = member("Admin", is_staff=True)
    guess = {"username": admin.email, "password": "wrong"}
    for _ in range(2):
        assert "Please enter the correct email" in client.post("/admin/login/", guess).text
    assert client.post("/login", {"email_or_phone": admin.email, **guess}).status_code == 400
    right = {"username": f" {admin.email.upper()}", "password": PASSWORD}
    page = client.post("/admin/login/", right, headers={"Accept-Language": "vi"})
    assert "Quá nhiều yêu cầu" in page.text
    assert not is_logged_in(client)
    settings.THROTTLES = {}
    assert client.post("/admin/login/", right).status_code == 302


def test_trying_many_accounts_and_registering_many_end(client: Client, settings: Any) -> None:
    settings.THROTTLES = {"login": "2/1h", "register": "1/1h"}
    logins = [
        client.post("/login", {"email_or_phone": f"{n}@example.test", "password": "x"})
        for n in range(3)
    ]
    assert [response.status_code for response in logins] == [400, 400, 429]
    assert client.post("/register", {}).status_code == 400
    response = client.post("/register", NEW_MEMBER)
    assert response.status_code == 429
    assert "Too many requests. Please try again later." in response.text
    assert not User.objects.exists()


def test_logging_out_takes_a_post(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert client.get("/logout").status_code == 405
    assert is_logged_in(client)
    assert client.post("/logout").headers["Location"] == "/"
    assert not is_logged_in(client)


def test_the_language_follows_the_browser_and_the_switch(client: Client) -> None:
    assert "Đăng nhập" in client.get("/login", headers={"Accept-Language": "vi-VN"}).text
    assert "Log in" in client.get("/login", headers={"Accept-Language": "fr"}).text
    response = client.post("/language", {"language": "vi", "next": "/login"})
    assert response.headers["Location"] == "/login"
    page = client.get("/login")
    assert '<html lang="vi">' in page.text
    assert "Đăng nhập" in page.text


def test_a_lost_browser_gets_a_page_and_a_program_gets_json(client: Client) -> None:
    page = client.get("/nowhere", headers=BROWSER)
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    for path, headers in (("/nowhere", {"Accept": "*/*"}), ("/api/nowhere", BROWSER)):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 404
        assert answer.json()["success"] is False


def test_pages_allow_only_the_sites_own_scripts(client: Client) -> None:
    page = client.get("/login")
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text
    assert "onclick" not in page.text
