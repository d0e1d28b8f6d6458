"""The request middleware (slashes, OPTIONS), CORS, the index of the API, tokens in logs."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from smimso.logs import TokenRedactor

pytestmark = pytest.mark.django_db
FRONTEND = "http://localhost:3000"
ELSEWHERE = "https://elsewhere.example"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.mark.parametrize("path", ["/auth//me", "/api//auth/me", "///api///auth//me"])
def test_duplicate_slashes_collapse(owner: User, api: Callable[..., APIClient], path: str) -> None:
    assert api(owner).generic("GET", path).status_code == 200
    login = {"emailOrPhone": owner.email, "password": "wrong"}
    response = APIClient().post(path.replace("me", "login"), login, format="json")
    assert response.status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        *("/api/posts", "/users/profile", "/auth/login", "/nothing", "/api/notifications/stream"),
        *("/", "//api//posts", "/uploads/avatars/x.png", "/api/options/jobs"),
    ],
)
@pytest.mark.parametrize("redirect", [True, False])
def test_options_always_succeeds(path: str, redirect: bool, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = redirect
    response = APIClient().generic("OPTIONS", path)
    assert response.status_code == 204
    assert response.content == b""
    assert not {"Content-Length", "Location", "WWW-Authenticate"} & set(response.headers)
    preflight = APIClient().generic(
        "OPTIONS",
        path,
        HTTP_ORIGIN=FRONTEND,
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="PATCH",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS="authorization,content-type",
    )
    assert preflight.status_code in (200, 204)
    assert {"authorization", "content-type"} <= set(
        preflight["Access-Control-Allow-Headers"].split(", ")
    )
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        assert method in preflight["Access-Control-Allow-Methods"]
    assert preflight["Access-Control-Max-Age"] == "86400"


@pytest.mark.parametrize("path", ["/api/auth/me", "/nothing", "/", "/options/jobs", "/test-cors"])
def test_only_known_origins_may_read_responses_and_errors(path: str) -> None:
    known = APIClient().get(path, HTTP_ORIGIN=FRONTEND)
    assert known[ALLOWED] == FRONTEND
    assert "origin" in known["Vary"]
    assert "Access-Control-Allow-Credentials" not in known
    assert ALLOWED not in APIClient().get(path, HTTP_ORIGIN=ELSEWHERE)
    assert ALLOWED not in APIClient().get(path, HTTP_REFERER=f"{FRONTEND}/page")


@pytest.mark.parametrize(
    "path", ["/uploads/avatars/none.png", "/notifications/stream", "/api/notifications/stream"]
)
def test_files_and_the_stream_and_their_errors_are_open_to_all_origins(path: str) -> None:
    for origin in (FRONTEND, ELSEWHERE):
        response = APIClient().get(path, HTTP_ORIGIN=origin)
        assert response.status_code in (401, 404)
        assert response[ALLOWED] == "*"


def test_a_failure_can_be_read_by_the_frontend(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("accounts.rest.option_views.JobsView.get", fail)
    response = APIClient().get("/options/jobs", HTTP_ORIGIN=FRONTEND)
    assert response.status_code == 500
    assert response[ALLOWED] == FRONTEND


def test_the_index_names_the_routes() -> None:
    body = APIClient().get("/").json()
    assert body["success"] is True
    assert body["version"] == "1.0.0"
    assert body["endpoints"]["auth"] == "/auth"
    assert {"posts", "users", "search", "health", "testCors"} < body["endpoints"].keys()


def test_test_cors_echoes_nothing() -> None:
    response = APIClient().get("/test-cors", HTTP_AUTHORIZATION="Bearer x", HTTP_X_SECRET="y")
    assert response.json() == {"success": True, "message": "CORS is working"}


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ('GET /api/notifications/stream?token=a.b.c HTTP/1.1" 200', "token=…"),
        ("/stream?x=1&token=a.b.c&y=2", "token=…&y=2"),
        ("?TOKEN=a.b.c", "TOKEN=…"),
        ('GET /password/reset/MTIz/a.b.c HTTP/1.1" 302', "/password/reset/MTIz/…"),
    ],
)
def test_tokens_are_not_logged(line: str, written: str) -> None:
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, "%s - %s", ("x", line), None)
    assert TokenRedactor().filter(record)
    assert "a.b.c" not in record.getMessage()
    assert written in record.getMessage()


def test_other_lines_are_left_alone() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s of %d", ("one", 2), None)
    TokenRedactor().filter(record)
    assert (record.msg, record.args) == ("%s of %d", ("one", 2))
