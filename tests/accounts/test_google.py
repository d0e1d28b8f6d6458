"""Login with Google. Only the fetch of Google's certificates is faked; tokens are really signed."""

import datetime
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import exceptions
from rest_framework.test import APIClient

from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
CLIENT_ID = "smimso.apps.googleusercontent.com"
REFUSED = "Google authentication failed"


class Google:
    """A key pair, and the response with its certificate that Google would send."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "google")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.certificates = json.dumps({"key-1": pem}).encode()

    def token(self, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": CLIENT_ID,
            "sub": "google-1",
            "email": "Mai@Example.test",
            "email_verified": True,
            "given_name": "Mai",
            "family_name": "Trần",
            "picture": "https://lh3.googleusercontent.com/a",
            "iat": now,
            "exp": now + 3600,
        }
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(claims, self.key, "RS256", {"kid": "key-1"})


@pytest.fixture(scope="module")
def keys() -> Google:
    return Google()


@pytest.fixture
def google(keys: Google, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Google:
    class Answer:
        status = 200
        data = keys.certificates

    def fetch(self: object, url: str, method: str = "GET", *, timeout: float, **_: Any) -> Answer:
        assert timeout <= 5
        assert url.startswith("https://www.googleapis.com/")
        return Answer()

    monkeypatch.setattr("accounts.google.Request.__call__", fetch)
    settings.GOOGLE_CLIENT_ID = CLIENT_ID
    return keys


def login(token: str) -> Any:
    return APIClient().post("/api/auth/google-login", {"token": token}, format="json")


def assert_refused(response: Any, status: int = 401, text: str = REFUSED) -> None:
    assert response.status_code == status
    assert response.json() == {"success": False, "error": text, "message": text}


def test_a_new_member_gets_the_claims_of_google(google: Google) -> None:
    response = login(google.token())
    assert response.status_code == 200
    body = response.json()
    assert body["message"] == "Google login successful"
    assert body["data"]["isNewUser"] is True
    user = User.objects.get()
    assert (
        body["data"]["user"]
        | {
            "id": str(user.pk),
            "email": "mai@example.test",
            "first_name": "Mai",
            "last_name": "Trần",
            "avatar_url": "https://lh3.googleusercontent.com/a",
            "auth_provider": "google",
            "is_verified": True,
        }
        == body["data"]["user"]
    )
    assert user.google_id == "google-1"
    assert not user.has_usable_password()
    assert b"google-1" not in response.content


def test_the_second_time_it_is_the_same_member(google: Google) -> None:
    first = login(google.token()).json()["data"]
    again = login(google.token(email="moved@example.test")).json()["data"]
    assert again["isNewUser"] is False
    assert again["user"]["id"] == first["user"]["id"]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {again['token']}")
    assert client.get("/auth/me").status_code == 200


def test_blank_names_never_reach_the_frontend(google: Google) -> None:
    user = login(google.token(given_name=None, family_name=None, picture="http://x/y")).json()
    assert user["data"]["user"]["first_name"] == "User"
    assert user["data"]["user"]["last_name"] == ""
    assert user["data"]["user"]["avatar_url"] is None


def test_an_account_with_the_verified_email_is_linked(
    google: Google, member: Callable[..., User]
) -> None:
    mai = member("Mai", is_verified=True)
    data = login(google.token()).json()["data"]
    assert data["isNewUser"] is False
    assert data["user"]["id"] == str(mai.pk)
    mai.refresh_from_db()
    assert mai.google_id == "google-1"
    assert mai.check_password(PASSWORD)


def test_linking_locks_out_whoever_registered_with_a_foreign_email(
    google: Google, member: Callable[..., User], api: Callable[..., APIClient]
) -> None:
    taken = member("Mai")
    thief = api(taken)
    assert login(google.token()).status_code == 200
    assert thief.get("/auth/me").status_code == 401
    taken.refresh_from_db()
    assert taken.is_verified
    assert not taken.check_password(PASSWORD)


@pytest.mark.parametrize(
    "changes",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
        {"aud": "somebody-else"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"sub": None},
        {"email": None},
    ],
)
def test_invalid_tokens_are_refused(
    google: Google, member: Callable[..., User], changes: dict[str, Any]
) -> None:
    mai = member("Mai")
    assert_refused(login(google.token(**changes)))
    mai.refresh_from_db()
    assert mai.google_id is None
    assert User.objects.count() == 1


def test_tokens_of_others_are_refused(google: Google) -> None:
    assert_refused(login(Google().token()))
    assert_refused(login("rubbish"))
    assert_refused(login(jwt.encode({"sub": "1"}, "x" * 40, "HS256", {"kid": "key-1"})))
    assert not User.objects.exists()


def test_an_account_linked_to_someone_else_at_google_stays_theirs(
    google: Google, member: Callable[..., User]
) -> None:
    mai = member("Mai", google_id="google-2", is_verified=True)
    assert_refused(login(google.token()))
    mai.refresh_from_db()
    assert mai.google_id == "google-2"


@pytest.mark.parametrize("google_id", ["google-1", None])
def test_a_deactivated_member_stays_out(
    google: Google, member: Callable[..., User], google_id: str | None
) -> None:
    member("Mai", google_id=google_id, is_active=False)
    assert_refused(login(google.token()))


def test_unconfigured_and_unreachable_google_are_reported(
    google: Google, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise exceptions.TransportError("no route to host")

    monkeypatch.setattr("accounts.google.Request.__call__", fail)
    assert_refused(login(google.token()), 503, "Google cannot be reached at the moment")
    settings.GOOGLE_CLIENT_ID = ""
    text = "Login with Google is not configured on this server"
    assert_refused(login(google.token()), 501, text)


def test_a_fresh_token_replaces_the_password(google: Google, api: Callable[..., APIClient]) -> None:
    login(google.token())
    user = User.objects.get()
    client = api(user)
    change = {"newPassword": "battery staple"}
    stranger = {**change, "googleToken": google.token(sub="google-9")}
    assert_refused(
        client.post("/auth/change-password", stranger, format="json"),
        400,
        "The password is not correct",
    )
    mine = {**change, "googleToken": google.token()}
    assert client.post("/auth/change-password", mine, format="json").status_code == 200
    user.refresh_from_db()
    assert user.check_password("battery staple")
