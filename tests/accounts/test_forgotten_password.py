"""A forgotten password: an e-mail with a link, and a new password."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as project_settings
from django.core.mail import EmailMessage
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tasks import send_password_reset
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
NEW = "battery staple"
BOTH = {"new_password1": NEW, "new_password2": NEW}
Outbox = list[EmailMessage]


def send_email(email: str, outbox: Outbox, language: str = "en") -> EmailMessage:
    send_password_reset(email, "smimso.example", True, language)
    return outbox[-1]


def link_in(message: EmailMessage) -> str:
    """Return the path of the link in the e-mail."""
    link = re.search(r"^https?://[^/]+(/password/reset/\S+)$", str(message.body), re.MULTILINE)
    assert link is not None
    return link[1]


def open_link(client: Client, path: str) -> Any:
    return client.get(path, follow=True)


def choose(client: Client, path: str, **changes: str) -> Any:
    """Open the link and submit its form."""
    page = open_link(client, path)
    return client.post(page.request["PATH_INFO"], BOTH | changes)


def log_in(user: User, password: str) -> int:
    """Return the status of a login: 302 if it succeeded."""
    form = {"email_or_phone": user.email, "password": password}
    return Client().post("/login", form).status_code


@pytest.fixture
def deliver(servers: Path, broker_at: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Return a function that runs the tasks in a real queue of this test."""
    url = project_settings.REDIS_URL.replace("db=0", "db=6")
    broker_at(url)
    with redis.Redis.from_url(url) as queue:
        queue.flushdb()

        def work() -> None:
            while message := queue.rpop("maintenance"):
                arguments = json.loads(base64.b64decode(json.loads(message)["body"]))[0]
                send_password_reset(*arguments)

        yield work
        queue.flushdb()


# --- Requesting the e-mail ----------------------------------------------------------------------


def test_a_member_requests_and_gets_an_email(
    client: Client, owner: User, mailoutbox: Outbox, deliver: Callable[[], None]
) -> None:
    assert '/password/forgotten"' in client.get("/login").text
    response = client.post("/password/forgotten", {"email": " OWNER@Example.test "})
    assert mailoutbox == []  # nobody waits for the mail server
    deliver()
    [message] = mailoutbox
    assert response.headers["Location"] == "/password/sent"
    assert "Check your e-mail" in client.get("/password/sent").text
    assert message.to == [owner.email]
    assert message.subject == "Choose a new password for SMIMSO"
    assert "The link works once, within one hour." in message.body
    assert owner.first_name not in message.body  # whoever registered an e-mail may have written it
    assert open_link(client, link_in(message)).status_code == 200


def test_the_email_is_in_the_language_of_the_request(
    client: Client, owner: User, mailoutbox: Outbox, deliver: Callable[[], None]
) -> None:
    headers = {"Accept-Language": "vi"}
    client.post("/password/forgotten", {"email": owner.email}, headers=headers)
    deliver()
    assert mailoutbox[0].subject == "Đặt mật khẩu mới cho SMIMSO"
    assert "Liên kết chỉ dùng được một lần" in mailoutbox[0].body


def test_the_answer_does_not_reveal_whether_an_account_exists(
    client: Client, owner: User, mailoutbox: Outbox, deliver: Callable[[], None]
) -> None:
    answers = [
        client.post("/password/forgotten", {"email": email})
        for email in (owner.email, "nobody@example.test")
    ]
    assert {(each.status_code, each.headers["Location"], each.content) for each in answers} == {
        (302, "/password/sent", b"")
    }
    deliver()
    assert len(mailoutbox) == 1


@pytest.mark.parametrize("fields", [{"is_active": False}, {"is_active": False, "google_id": "7"}])
def test_a_deactivated_member_gets_no_email(
    member: Callable[..., User], mailoutbox: Outbox, fields: dict[str, Any]
) -> None:
    send_password_reset(member("Gone", **fields).email, "smimso.example", True, "en")
    assert mailoutbox == []


def test_the_task_keeps_its_name_in_the_queue() -> None:
    assert send_password_reset.name == "accounts.tasks.send_password_letter"


def test_a_failed_email_is_retried(owner: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nobody listens there
    with pytest.raises(ConnectionRefusedError):  # which Celery takes for a reason to try again
        send_password_reset(owner.email, "smimso.example", True, "en")
    assert issubclass(ConnectionRefusedError, send_password_reset.autoretry_for)


def test_a_member_without_a_password_gets_an_email(
    client: Client, owner: User, mailoutbox: Outbox
) -> None:
    owner.set_unusable_password()  # as the importer does when it knows none
    owner.save()
    message = send_email(owner.email, mailoutbox)
    assert "Google" not in message.body
    choose(client, link_in(message))
    assert log_in(owner, NEW) == 302


@pytest.mark.parametrize("email", ["", "no e-mail", "a@b", "a\0@example.test"])
def test_a_malformed_email_is_refused(client: Client, email: str) -> None:
    assert client.post("/password/forgotten", {"email": email}).status_code == 400


def test_frequent_requests_are_throttled(client: Client, owner: User, settings: Any) -> None:
    settings.THROTTLES = {"mail": "2/1h"}

    def ask(email: str, address: str) -> Any:
        return client.post("/password/forgotten", {"email": email}, REMOTE_ADDR=address)

    answers = [ask(owner.email.upper(), f"192.0.2.{n}") for n in range(3)]
    assert [each.status_code for each in answers] == [302, 302, 429]
    assert "Too many requests" in answers[-1].text
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 3600
    assert ask("nobody@example.test", "192.0.2.9").status_code == 302
    settings.THROTTLES = {"login": "1/1h"}
    client.post("/login", {}, REMOTE_ADDR="192.0.2.8")
    assert ask("somebody@example.test", "192.0.2.8").status_code == 429


@pytest.mark.slow
@pytest.mark.usefixtures("redis_away")
def test_without_redis_the_page_says_so(client: Client, owner: User) -> None:
    headers = {"Accept-Language": "vi"}
    response = client.post("/password/forgotten", {"email": owner.email}, headers=headers)
    assert response.status_code == 503
    assert "Dịch vụ này hiện không hoạt động" in response.text
    assert owner.email in response.text


# --- Choosing a password ------------------------------------------------------------------------


def test_the_link_gives_a_new_password_and_logs_in(
    client: Client, owner: User, mailoutbox: Outbox
) -> None:
    response = choose(client, link_in(send_email(owner.email, mailoutbox)))
    assert response.headers["Location"] == "/"
    page = client.get("/")
    assert "Your password has been changed, and you are logged in." in page.text
    assert page.context["user"] == owner
    assert log_in(owner, PASSWORD) == 400
    assert log_in(owner, NEW) == 302


def test_the_link_works_once(client: Client, owner: User, mailoutbox: Outbox) -> None:
    path = link_in(send_email(owner.email, mailoutbox))
    choose(client, path)
    page = open_link(Client(), path)
    assert "This link no longer works" in page.text
    assert choose(Client(), path, new_password1="x" * 9, new_password2="x" * 9).status_code == 200
    assert log_in(owner, NEW) == 302


def test_the_token_is_not_in_the_address_of_the_form(
    client: Client, owner: User, mailoutbox: Outbox
) -> None:
    path = link_in(send_email(owner.email, mailoutbox))
    token = path.rpartition("/")[2]
    page = open_link(client, path)
    assert page.request["PATH_INFO"].endswith("/set-password")
    assert token not in page.text
    assert "no-store" in page.headers["Cache-Control"]


def test_a_new_password_ends_all_other_sessions(
    client: Client, owner: User, api: Callable[..., APIClient], mailoutbox: Outbox
) -> None:
    elsewhere, program = Client(), api(owner)
    elsewhere.force_login(owner)
    choose(client, link_in(send_email(owner.email, mailoutbox)))
    assert elsewhere.get("/saved").status_code == 302
    assert program.get("/auth/me").status_code == 401
    assert client.get("/saved").status_code == 200


def test_somebody_elses_session_ends_when_the_link_logs_in(
    client: Client, owner: User, stranger: User, mailoutbox: Outbox
) -> None:
    client.force_login(stranger)
    choose(client, link_in(send_email(owner.email, mailoutbox)))
    assert client.get("/").context["user"] == owner


def test_following_the_link_verifies_the_email(
    client: Client, owner: User, stranger: User, mailoutbox: Outbox
) -> None:
    choose(client, link_in(send_email(owner.email, mailoutbox)))
    verified = dict(User.objects.values_list("pk", "is_verified"))
    assert verified == {owner.pk: True, stranger.pk: False}


def test_a_google_member_can_choose_a_password(
    client: Client, member: Callable[..., User], mailoutbox: Outbox
) -> None:
    user = member("Hà", email="ha@example.test", google_id="7", auth_provider="google")
    user.set_unusable_password()
    user.save()
    message = send_email(user.email, mailoutbox)
    assert "So far you have logged in with Google" in message.body
    choose(client, link_in(message))
    assert log_in(user, NEW) == 302
    user.refresh_from_db()
    assert (user.google_id, user.auth_provider) == ("7", "google")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"new_password2": "another one"}, "The two passwords do not match."),
        ({"new_password1": "short", "new_password2": "short"}, "at least 6 characters"),
        ({"new_password1": "x" * 129, "new_password2": "x" * 129}, "at most 128 characters"),
        ({"new_password1": "", "new_password2": ""}, "This field is required."),
    ],
)
def test_an_unacceptable_password_is_refused(
    client: Client, owner: User, mailoutbox: Outbox, changes: dict[str, str], text: str
) -> None:
    path = link_in(send_email(owner.email, mailoutbox))
    response = choose(client, path, **changes)
    assert response.status_code == 400
    assert text in response.text
    assert log_in(owner, PASSWORD) == 302


def assert_useless(client: Client, path: str) -> None:
    page = open_link(client, path)
    assert "This link no longer works" in page.text
    assert "<form method" not in page.text.partition("<main")[2].partition("</main")[0]
    client.post(f"{path.rpartition('/')[0]}/set-password", BOTH)


def test_an_expired_or_altered_link_does_nothing(
    client: Client, owner: User, stranger: User, mailoutbox: Outbox, settings: Any
) -> None:
    path, other = (link_in(send_email(user.email, mailoutbox)) for user in (owner, stranger))
    head, _, token = path.rpartition("/")
    for wrong in (
        f"{head}/{token[:-1]}",
        f"{head}/x-y",
        f"{head}/set-password",
        f"{other.rpartition('/')[0]}/{token}",
        f"/password/reset/AAAA/{token}",
        f"/password/reset/%FF/{token}",
    ):
        assert_useless(client, wrong)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert_useless(client, path)
    assert log_in(owner, PASSWORD) == log_in(stranger, PASSWORD) == 302


def test_the_link_of_a_deactivated_member_does_nothing(
    client: Client, owner: User, mailoutbox: Outbox
) -> None:
    path = link_in(send_email(owner.email, mailoutbox))
    opened = Client()
    form = open_link(opened, path).request["PATH_INFO"]
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert_useless(client, path)
    assert "This link no longer works" in opened.post(form, BOTH).text
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)
