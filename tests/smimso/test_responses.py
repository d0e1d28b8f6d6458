"""The envelope of all responses, errors included; both mounts of all routes."""

import io
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.db import DataError, OperationalError
from django.http import Http404
from django.test import Client
from rest_framework import exceptions
from rest_framework.test import APIClient

from accounts.models import User
from smimso import errors
from smimso.web.paging import clamp_int, page_and_limit, page_response
from smimso.web.responses import exception_handler, success

Api = Callable[..., APIClient]


def assert_error(response: Any, status: int, text: str | None = None) -> None:
    assert response.status_code == status
    assert response["Content-Type"].startswith("application/json")
    body = response.json()
    assert body.keys() == {"success", "error", "message"}
    assert body["success"] is False
    assert body["error"] == body["message"]
    assert body["error"]
    if text is not None:
        assert body["error"] == text


# --- The envelope ---------------------------------------------------------------------------


def test_success_has_data_always_and_a_message_only_if_there_is_one() -> None:
    assert success([1]).data == {"success": True, "data": [1]}
    assert success(None, "Done", status=201).data == {
        "success": True,
        "message": "Done",
        "data": None,
    }
    assert success(None, "Done", status=201).status_code == 201


@pytest.mark.parametrize(("total", "pages"), [(0, 0), (1, 1), (20, 1), (21, 2)])
def test_pagination_counts_pages(total: int, pages: int) -> None:
    assert page_response([], page=3, limit=20, total=total).data["pagination"] == {
        "page": 3,
        "limit": 20,
        "total": total,
        "totalPages": pages,
    }


FAMILY = [
    (errors.InvalidInput("title_required"), 400, "Title is required"),
    (errors.AuthenticationFailed("invalid_credentials"), 401, "Invalid credentials"),
    (errors.NotAllowed(), 403, "You are not allowed to do this"),
    (errors.NotFound("post_not_found"), 404, "Post not found"),
    (errors.TooLarge(), 413, "The request is too large"),
    (errors.Overloaded(), 429, "Too many requests. Please try again later."),
    (errors.Unavailable(), 503, "This service is not available at the moment"),
    (exceptions.ValidationError({"tags": {"3": ["Too long."]}}), 400, "3: Too long."),
    (exceptions.ValidationError({"non_field_errors": ["No match"]}), 400, "No match"),
    (exceptions.ValidationError([]), 400, "Invalid input"),
    (exceptions.Throttled(wait=7.2), 429, "Too many requests. Please try again later."),
    (exceptions.UnsupportedMediaType("a/b"), 415, 'Unsupported media type "a/b" in request.'),
    (Http404(), 404, "Not found"),
    (PermissionDenied("secret reason"), 403, "You are not allowed to do this"),
    (SuspiciousOperation("secret reason"), 400, "Invalid input"),
    (DataError("secret value"), 400, "Invalid input"),
    (ValidationError("secret value"), 400, "Invalid input"),
    (OperationalError("secret host"), 503, "This service is not available at the moment"),
    (RuntimeError("secret reason"), 500, "Internal server error"),
    (KeyError("secret"), 500, "Internal server error"),
]


@pytest.mark.parametrize(("error", "status", "text"), FAMILY)
def test_every_error_becomes_the_envelope(error: Exception, status: int, text: str) -> None:
    response = exception_handler(error, {})
    assert response.status_code == status
    assert response.data == {"success": False, "error": text, "message": text}


def test_a_throttled_client_learns_when_to_retry() -> None:
    assert exception_handler(exceptions.Throttled(wait=7.2), {})["Retry-After"] == "8"


def test_only_unexpected_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "smimso.web.responses"):
        exception_handler(errors.Unavailable(), {})
        exception_handler(errors.NotFound(), {})
        assert caplog.records == []
        exception_handler(RuntimeError("what really happened"), {})
        exception_handler(OperationalError("no connection"), {})
    assert "no connection" in caplog.text
    assert "what really happened" in caplog.text


# --- Numbers in query strings ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, (1, 20)),
        ({"page": "3", "limit": "50"}, (3, 50)),
        ({"page": "0", "limit": "0"}, (1, 1)),
        ({"page": "-7", "limit": "-1"}, (1, 1)),
        ({"page": "", "limit": ""}, (1, 20)),
        ({"page": "NaN", "limit": "many"}, (1, 20)),
        ({"page": "1.5", "limit": "1e3"}, (1, 20)),
        ({"page": "99999999999999999999", "limit": "101"}, (10_000, 100)),
        ({"page": "9" * 5_000, "limit": "\0"}, (1, 20)),
    ],
)
def test_page_and_limit_are_clamped(query: dict[str, str], expected: tuple[int, int]) -> None:
    assert page_and_limit(query) == expected


def test_a_clamped_number_has_its_own_bounds() -> None:
    assert clamp_int("7", default=3, min_value=1, max_value=5) == 5
    assert clamp_int(None, default=3, min_value=1, max_value=5) == 3


# --- Over HTTP ------------------------------------------------------------------------------


@pytest.mark.django_db
class TestRequests:
    @pytest.mark.parametrize("body", ["{", "", "[1, 2", "{'a': 1}", '{"a": NaN}', "\ufeff{"])
    def test_malformed_json_is_a_bad_request(self, api: Api, body: str) -> None:
        response = api().post("/api/auth/login", body, content_type="application/json")
        assert_error(response, 400)

    @pytest.mark.parametrize("body", ["[]", '"text"', "5", "null", "true"])
    def test_json_of_another_shape_is_a_bad_request(self, api: Api, body: str) -> None:
        for path in ("/api/auth/login", "/api/auth/register"):
            assert_error(api().post(path, body, content_type="application/json"), 400)

    def test_json_nested_too_deeply_is_a_bad_request(self, api: Api) -> None:
        response = api().post("/api/auth/login", "[" * 200_000, content_type="application/json")
        assert_error(response, 400, "The body is nested too deeply")

    @pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
    def test_a_huge_body_is_refused_unread(self, api: Api, kind: str) -> None:
        response = api().post("/api/auth/login", "x" * (1024 * 1024 + 1), content_type=kind)
        assert_error(response, 413, "The request is too large")

    def test_an_unknown_media_type_is_refused(self, api: Api) -> None:
        response = api().post("/api/auth/login", "a: b", content_type="application/yaml")
        assert_error(response, 415, 'Unsupported media type "application/yaml" in request.')

    @pytest.mark.parametrize("accept", ["text/html", "text/plain", "application/xml", "nonsense"])
    def test_a_client_that_asks_for_another_type_gets_json(self, api: Api, accept: str) -> None:
        response = api().get("/api/options/jobs", HTTP_ACCEPT=accept)
        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"

    def test_a_wrong_method_is_refused(self, api: Api) -> None:
        response = api().delete("/api/auth/login")
        assert_error(response, 405, 'Method "DELETE" not allowed.')
        assert "POST" in response["Allow"]

    @pytest.mark.parametrize(
        "path", ["/api/nothing", "/nothing", "/api/posts/x/nothing", "/uploads/../settings.py"]
    )
    def test_an_unknown_route_is_not_found(self, api: Api, path: str) -> None:
        assert_error(api().get(path), 404, "Route not found")

    @pytest.mark.parametrize(
        "path", ["/api/posts/", "/posts/", "/api/auth/login/", "/api/auth/register/"]
    )
    def test_a_trailing_slash_is_never_redirected(self, api: Api, path: str) -> None:
        """A redirect would lose the body and fail a browser's preflight."""
        assert_error(api().get(path), 404, "Route not found")
        assert_error(api().post(path, {}), 404, "Route not found")

    def test_every_route_is_mounted_twice(self, api: Api, owner: User) -> None:
        for path in ("/auth/me", "/posts", "/health"):
            for mount in ("/api", ""):
                response = api(owner).get(mount + path)
                assert response.status_code == 200, mount + path
                assert response.json()["success"] is True
        for path in ("/auth/login", "/auth/register", "/search/text", "/search/image"):
            for mount in ("/api", ""):
                assert_error(api(owner).post(mount + path, {}, format="multipart"), 400)

    def test_internal_failures_reveal_nothing(
        self, api: Api, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("password of the database: hunter2")

        monkeypatch.setattr("accounts.rest.views.OwnUserSerializer", fail)
        response = api(owner).get("/api/auth/me")
        assert_error(response, 500, "Internal server error")
        assert b"hunter2" not in response.content

    def test_failures_outside_of_the_rest_framework_have_the_envelope_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("hunter2")

        monkeypatch.setattr("posts.rest.views.access.image_id_of", fail)
        response = Client(raise_request_exception=False).get("/uploads/posts/a.jpg")
        assert_error(response, 500, "Internal server error")

    def test_a_wrong_method_outside_of_the_rest_framework_has_the_envelope_too(
        self, api: Api, client: Client
    ) -> None:
        response = api().post("/uploads/posts/a.jpg")
        assert_error(response, 405, 'Method "POST" not allowed.')
        assert response["Allow"] == "GET, HEAD"
        assert int(response["Content-Length"]) == len(response.content)
        page = client.post("/uploads/posts/a.jpg")
        assert (page.status_code, page.content) == (405, b"")

    @pytest.mark.parametrize(
        ("error", "status", "text"),
        [
            (SuspiciousOperation("secret"), 400, "Invalid input"),
            (PermissionDenied("secret"), 403, "You are not allowed to do this"),
            (DataError("secret"), 400, "Invalid input"),
            (ValidationError("secret"), 400, "Invalid input"),
        ],
    )
    def test_refusals_outside_of_the_rest_framework_have_the_envelope_too(
        self,
        api: Api,
        client: Client,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        status: int,
        text: str,
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("posts.rest.views.access.can_view", refuse)
        assert_error(api().get("/uploads/posts/a.jpg"), status, text)
        page = client.get("/uploads/posts/a.jpg")
        assert page.status_code == status
        assert page["Content-Type"].startswith("text/html")

    def test_a_form_with_too_many_files_is_a_bad_request(self, api: Api, owner: User) -> None:
        many = [io.BytesIO(b"x") for _ in range(101)]
        for number, file in enumerate(many):
            file.name = f"{number}.png"
        response = api(owner).post("/api/posts", {"images": many}, format="multipart")
        assert_error(response, 400)

    def test_a_broken_form_is_a_bad_request(self, api: Api, owner: User) -> None:
        response = api(owner).post(
            "/api/posts", b"no boundary here", content_type="multipart/form-data"
        )
        assert_error(response, 400)

    def test_errors_carry_the_cors_header_of_an_allowed_origin(self, api: Api) -> None:
        allowed = api().get("/api/auth/me", HTTP_ORIGIN="http://localhost:3000")
        assert allowed.status_code == 401
        assert allowed["Access-Control-Allow-Origin"] == "http://localhost:3000"
        other = api().get("/api/auth/me", HTTP_ORIGIN="https://evil.example")
        assert "Access-Control-Allow-Origin" not in other

    def test_a_preflight_is_answered(self, api: Api) -> None:
        response = api().options(
            "/api/posts",
            HTTP_ORIGIN="http://localhost:3000",
            HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
            HTTP_ACCESS_CONTROL_REQUEST_HEADERS="authorization,content-type",
        )
        assert response.status_code == 200
        assert "authorization" in response["Access-Control-Allow-Headers"]
        assert "POST" in response["Access-Control-Allow-Methods"]
