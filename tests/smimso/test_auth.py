"""Tokens: those of the Node backend stay valid, and forged or expired ones are rejected."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import pytest
from django.conf import settings
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.test import APIClient

from accounts.models import User
from smimso.web.auth import INVALID_TOKEN, issue_token, user_for_token
from tests.conftest import UNKNOWN_ID

REQUIRED = "Authentication required. Please provide a valid token."
pytestmark = pytest.mark.django_db


def node_claims(user: User, **changes: Any) -> dict[str, Any]:
    """Return the claims that `jsonwebtoken` signed on the Node backend."""
    now = int(time.time())
    claims = {"id": str(user.pk), "email": user.email, "iat": now, "exp": now + 3600}
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def sign(claims: Any, secret: str | None = None) -> str:
    return jwt.encode(claims, settings.JWT_SECRET if secret is None else secret, "HS256")


def make_unsigned(claims: dict[str, Any], algorithm: str = "none") -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, claims)
    return ".".join(_encode(json.dumps(part).encode()) for part in parts) + "."


def sign_with_hs384(claims: dict[str, Any]) -> str:
    """Return a token with another algorithm; PyJWT itself would warn of the short secret."""
    token = make_unsigned(claims, "HS384")
    signature = hmac.digest(settings.JWT_SECRET.encode(), token[:-1].encode(), "sha384")
    return token + _encode(signature)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def me(header: str | None) -> Any:
    client = APIClient()
    if header is not None:
        client.credentials(HTTP_AUTHORIZATION=header)
    return client.get("/api/auth/me")


def assert_refused(response: Any, text: str) -> None:
    assert response.status_code == 401
    assert response.json() == {"success": False, "error": text, "message": text}
    assert response["WWW-Authenticate"] == "Bearer"  # "Basic" would open the browser's dialog


def test_a_token_leads_back_to_its_user(owner: User) -> None:
    assert user_for_token(issue_token(owner)) == owner


def test_a_token_has_the_claims_of_the_node_backend_and_lasts_thirty_days(owner: User) -> None:
    before = timezone.now().timestamp()
    token = issue_token(owner)
    claims = jwt.decode(token, settings.JWT_SECRET, algorithms=["HS256"])
    assert claims.keys() == {"id", "email", "iat", "exp"}
    assert claims["id"] == str(owner.pk)
    assert claims["email"] == owner.email
    assert claims["exp"] - claims["iat"] == 30 * 24 * 3600
    assert before <= claims["iat"] <= timezone.now().timestamp()
    assert jwt.get_unverified_header(token)["alg"] == "HS256"


def test_a_token_of_the_node_backend_is_accepted(owner: User) -> None:
    response = me(f"Bearer {sign(node_claims(owner))}")
    assert response.status_code == 200
    assert response.json()["data"]["id"] == str(owner.pk)


def test_a_token_without_an_email_is_accepted(owner: User) -> None:
    assert user_for_token(sign(node_claims(owner, email=""))) == owner


def test_a_token_from_a_server_whose_clock_is_ahead_is_accepted(owner: User) -> None:
    assert user_for_token(sign(node_claims(owner, iat=int(time.time()) + 3))) == owner


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Basic dXNlcjpwYXNz", "bearer token", "Token abc"]
)
def test_a_header_without_a_bearer_token_asks_for_one(header: str | None) -> None:
    assert_refused(me(header), REQUIRED)


BAD: dict[str, Callable[[User], str]] = {
    "no algorithm": lambda user: make_unsigned(node_claims(user)),
    "another algorithm": lambda user: sign_with_hs384(node_claims(user)),
    "another secret": lambda user: sign(node_claims(user), "x" * 40),
    "a lifetime that is over": lambda user: sign(node_claims(user, exp=int(time.time()) - 1)),
    "no end": lambda user: sign(node_claims(user, exp=None)),
    "an end that is no number": lambda user: sign(node_claims(user, exp="soon")),
    "a start that is to come": lambda user: sign(node_claims(user, nbf=int(time.time()) + 60)),
    "no id": lambda user: sign(node_claims(user, id=None)),
    "an id that is no uuid": lambda user: sign(node_claims(user, id="1 OR 1=1")),
    "an id that is a number": lambda user: sign(node_claims(user, id=1)),
    "an id that is a list": lambda user: sign(node_claims(user, id=[str(user.pk)])),
    "an unknown id": lambda user: sign(node_claims(user, id=str(uuid4()))),
    "a changed payload": lambda user: tamper(sign(node_claims(user))),
    "rubbish": lambda user: "rubbish",
    "nothing": lambda user: " ",
    "letters beyond ASCII": lambda user: "é.é.é",
}


def tamper(token: str) -> str:
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = json.dumps({**claims, "id": str(uuid4())}).encode()
    return f"{head}.{_encode(changed)}.{signature}"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(owner: User, name: str) -> None:
    token = BAD[name](owner)
    with pytest.raises(exceptions.AuthenticationFailed):
        user_for_token(token)
    assert_refused(me(f"Bearer {token}"), INVALID_TOKEN)


def test_a_deleted_user_is_out_at_once(owner: User) -> None:
    token = issue_token(owner)
    owner.delete()
    assert_refused(me(f"Bearer {token}"), INVALID_TOKEN)


def test_a_deactivated_user_is_out_at_once(owner: User) -> None:
    token = issue_token(owner)
    owner.is_active = False
    owner.save()
    assert_refused(me(f"Bearer {token}"), INVALID_TOKEN)


def test_a_bad_token_is_refused_despite_a_session(owner: User) -> None:
    client = APIClient()
    client.force_login(owner)
    assert client.get("/api/auth/me").status_code == 200
    client.credentials(HTTP_AUTHORIZATION="Bearer rubbish")
    assert_refused(client.get("/api/auth/me"), INVALID_TOKEN)


def test_a_session_needs_the_csrf_token_to_change_something(owner: User) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(owner)
    response = client.post("/api/posts", {}, format="multipart")
    assert response.status_code == 403
    assert response.json()["success"] is False


PROTECTED = [
    ("get", "/api/auth/me"),
    ("get", "/api/posts"),
    ("post", "/api/posts"),
    ("get", f"/api/posts/{UNKNOWN_ID}"),
    ("get", f"/api/posts/{UNKNOWN_ID}/similar"),
    ("post", "/api/search/text"),
    ("post", "/api/search/image"),
]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_a_route_without_a_token_is_refused_before_anything_else(method: str, path: str) -> None:
    assert_refused(getattr(APIClient(), method)(path), REQUIRED)
