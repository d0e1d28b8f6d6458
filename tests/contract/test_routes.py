"""Every route of the contract: its answer, who may ask for it, and what it never does.

The routes are tested below `/api/`. That the mount at `/` serves the same views is tested once, at
the end.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import Resolver404, URLPattern, URLResolver, resolve
from rest_framework.test import APIClient

from smimso.urls import api_patterns
from tests.contract import routes, shapes
from tests.contract.conftest import FRONTEND, World
from tests.contract.described import operations, schema_errors
from tests.contract.routes import Route, without_names
from tests.contract.shapes import PAGINATION, differences

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_fake_ai", "_fake_google")]

SECRET_KEYS = {"embedding", "embedding_model", "password", "password_hash", "google_id", "is_staff"}
SECRETS = ("google-4711", "google-4712", "md5$")
TOKEN_REQUIRED = "Authentication required. Please provide a valid token."
TOKEN_INVALID = "Invalid or expired token. Please login again."
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _rows(selected: list[Route]) -> Any:
    return pytest.mark.parametrize("route", selected, ids=str)


each_route = _rows(routes.ALL)
public_routes = _rows([route for route in routes.ALL if route.public])
private_routes = _rows([route for route in routes.ALL if not route.public])
each_pattern = pytest.mark.parametrize(
    "pattern", list({route.anonymous: route.pattern for route in routes.ALL}.values())
)


def send(world: World, route: Route, *, token: str | None = None, mount: str | None = None) -> Any:
    """Send a route's request as the frontend would; without a body where it has none."""
    mount = route.mounts[0] if mount is None else mount
    client, path = world.client(token), f"{mount}/{world.fill_names(route.path)}"
    if route.files:
        files = {
            name: [SimpleUploadedFile(f"{n}.jpg", world.picture) for n in range(count)]
            for name, count in route.files.items()
        }
        return client.post(path, {**world.fill_names(route.form), **files}, format="multipart")
    if route.json is not None:
        body = world.fill_names(route.json)
        return getattr(client, route.method.lower())(path, body, format="json")
    return client.generic(route.method, path)


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            yield from keys_of(item)


def empty_lists(value: Any, where: str = "data") -> Iterator[str]:
    """A list without items says nothing of their shape."""
    if value == []:
        yield where
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            yield from empty_lists(item, f"{where}.{key}")


def check_error(response: Any, status: int, text: str) -> None:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    assert response.json() == {"success": False, "error": text, "message": text}
    assert "Location" not in response
    assert not response.get("WWW-Authenticate", "").startswith("Basic")
    assert response["Access-Control-Allow-Origin"] in (FRONTEND, "*")


@each_route
def test_the_answer_has_exactly_what_the_contract_says(route: Route, world: World) -> None:
    response = send(world, route)
    assert response.status_code == route.status, response.content
    assert schema_errors(route, response) == []
    assert response["Content-Type"] == "application/json"
    assert response["Access-Control-Allow-Origin"] == FRONTEND
    body = response.json()
    if route.whole:
        assert list(differences(body, route.data)) == []
        assert body["success"] is True
        return
    assert body.pop("success") is True
    assert body.pop("message", None) == route.message
    data = body.pop("data")
    assert list(differences(data, route.data)) == []
    if route.paginated:
        pagination = body.pop("pagination")
        assert list(differences(pagination, PAGINATION)) == []
        assert pagination["total"] == len(data)
        assert pagination["totalPages"] == 1
    assert body == {}
    if isinstance(data, dict | list):
        assert list(empty_lists(data)) == []
        assert not SECRET_KEYS & set(keys_of(data))
    assert not [secret for secret in SECRETS if secret in response.content.decode()]


@public_routes
@pytest.mark.parametrize("token", ["", "expired"])
def test_public_routes_answer_without_a_good_token(route: Route, token: str, world: World) -> None:
    assert send(world, route, token=token).status_code == route.status


@private_routes
def test_all_others_ask_for_one(route: Route, empty_world: World) -> None:
    """401 sends the frontend to /login; requests of every page must not do so again there."""
    check_error(send(empty_world, route, token=""), 401, TOKEN_REQUIRED)
    status = 403 if route.background else 401
    check_error(send(empty_world, route, token="expired"), status, TOKEN_INVALID)


@each_pattern
def test_other_methods_are_refused_in_the_envelope(pattern: str, empty_world: World) -> None:
    same_path = [route for route in routes.ALL if route.anonymous == without_names(pattern)]
    known = {route.method for route in same_path}
    path = f"{same_path[0].mounts[0]}/{empty_world.fill_names(pattern)}"
    for method in METHODS:
        if method not in known:
            response = empty_world.client().generic(method, path)
            check_error(response, 405, f'Method "{method}" not allowed.')
            assert known <= set(response["Allow"].split(", "))


@pytest.mark.parametrize(
    "route", [route for route in routes.ALL if route.json is not None], ids=str
)
def test_a_body_that_is_no_object_is_refused_or_taken_as_an_empty_one(
    route: Route, world: World
) -> None:
    path = f"/api/{world.fill_names(route.path)}"
    for body in ("{", "[]", "null", '"text"', "7", "[[1]]", ""):
        response = world.client().generic(route.method, path, body, content_type="application/json")
        if response.status_code == 200:
            assert route.method == "PUT"  # every field of a profile or a post is optional
        else:
            check_error(response, 400, response.json()["error"])


REFUSALS: list[tuple[str, str, Any, int, str]] = [
    ("POST", "auth/register", {"confirmPassword": "other"}, 400, "Passwords do not match"),
    (
        "POST",
        "auth/register",
        {"email": "OWNER@example.test"},
        400,
        "User with this email or phone already exists",
    ),
    (
        "POST",
        "auth/register",
        {"phone": "0901234567"},
        400,
        "User with this email or phone already exists",
    ),
    ("POST", "auth/login", {"emailOrPhone": ""}, 400, "Email/Phone and password are required"),
    ("POST", "auth/login", {"password": "wrong"}, 401, "Invalid credentials"),
    ("POST", "auth/login", {"emailOrPhone": "no@example.test"}, 401, "Invalid credentials"),
    ("GET", "posts?categoryId=7", None, 400, "Failed to fetch posts"),
    ("GET", "posts/{comment}", None, 404, "Post not found"),
    ("GET", "posts/nonsense", None, 404, "Post not found"),
    ("GET", "posts/user/7", None, 400, "Failed to fetch posts"),
    ("PUT", "posts/{mine}", {"title": " "}, 400, "Title is required"),
    ("PUT", "posts/{post}", {"title": "x"}, 403, "You can only edit your own posts"),
    ("PUT", "posts/{comment}", {"title": "x"}, 404, "Post not found"),
    ("POST", "posts/{comment}/like", None, 404, "Post not found"),
    ("DELETE", "posts/{comment}/like", None, 404, "Post not found"),
    ("POST", "posts/{comment}/comments", {"content": "x"}, 404, "Post not found"),
    ("POST", "posts/{post}/comments", {"content": " "}, 400, "Comment content is required"),
    ("POST", "posts", {}, 400, "At least one image is required"),
    ("POST", "posts/upload", {}, 400, "No file uploaded"),
    ("POST", "posts/generate-caption", {}, 400, "Image file is required"),
    ("POST", "posts/generate-metadata", {}, 400, "At least one image is required"),
    ("GET", "users/search", None, 400, "Search query is required"),
    ("GET", "users/search?q=", None, 400, "Search query is required"),
    ("GET", "users/{post}", None, 404, "User not found"),
    ("GET", "users/nonsense", None, 404, "User not found"),
    ("PUT", "users/profile", {"phone": "0901234567"}, 400, "This phone number is already in use"),
    ("POST", "users/profile/avatar", {}, 400, "No file uploaded"),
    ("POST", "users/profile/cover", {}, 400, "No file uploaded"),
    ("POST", "users/{viewer}/follow", None, 400, "Cannot follow yourself"),
    ("DELETE", "users/{viewer}/follow", None, 400, "Cannot unfollow yourself"),
    ("POST", "users/{post}/follow", None, 400, "User not found"),
    ("POST", "search/image", {}, 400, "Image file is required"),
    ("POST", "search/text", {"query": " "}, 400, "Search query is required"),
    ("POST", "search/text", {"query": 7}, 400, "Search query is required"),
    ("PUT", "notifications/nonsense/read", None, 404, "Route not found"),
    ("GET", "nothing", None, 404, "Route not found"),
]
_COMPLETE = {
    "auth/register": routes.REGISTRATION,
    "auth/login": {"emailOrPhone": "owner@example.test", "password": "{password}"},
    "users/profile": routes.PROFILE_FORM,
}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    REFUSALS,
    ids=[f"{method} {path} {body}" for method, path, body, *_ in REFUSALS],
)
def test_refusals_have_the_texts_that_the_frontend_shows(
    method: str, path: str, body: Any, status: int, text: str, world: World
) -> None:
    url = f"/api/{world.fill_names(path)}"
    if body is None:
        response = world.client().generic(method, url)
    else:
        # As the frontend would: a form where a file is missing, else JSON.
        form = "json" if body else "multipart"
        body = world.fill_names({**_COMPLETE.get(path, {}), **body})
        response = getattr(world.client(), method.lower())(url, body, format=form)
    check_error(response, status, text)


@pytest.mark.parametrize("route", [route for route in routes.ALL if route.files], ids=str)
def test_uploads_name_what_is_wrong_with_them(route: Route, world: World) -> None:
    path, (field,) = f"/api/{route.pattern}", route.files

    def sent(name: str, *files: bytes) -> Any:
        uploads = [SimpleUploadedFile("x.jpg", data, "image/jpeg") for data in files]
        return world.client().post(path, {name: uploads}, format="multipart")

    check_error(sent("other", world.picture), 400, "Unexpected field")
    too_large = b"\xff\xd8\xff\xe0" + bytes(10 * 1024 * 1024)
    check_error(sent(field, too_large), 400, "File size exceeds the maximum limit of 10MB")
    if field == "images":
        eleven = sent(field, *[world.picture] * 11)
        check_error(eleven, 400, "Too many files. Maximum 10 files allowed")
    if field != "file":  # that route accepts and serves any text, too
        text = (
            "The file is not a readable image. "
            "Only JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP and TIFF are allowed."
        )
        check_error(sent(field, b"<svg onload='alert(1)'/>"), 400, text)
        check_error(sent(field, b""), 400, text)


def test_some_answers_may_be_empty(world: World, member: Callable[..., Any]) -> None:
    alone = World(member("Alone"), world.names, world.picture)

    def data(path: str) -> Any:
        response = alone.client().get(f"/api/{alone.fill_names(path)}")
        assert response.status_code == 200
        return response.json()

    for path in ("posts/liked", "posts/saved", "users/saved-posts", "users/profile/posts"):
        body = data(path)
        assert body["data"] == []
        assert body["pagination"]["totalPages"] == 0
        assert data(f"{path}?page=9999&limit=100")["data"] == []
    assert data("survey") == {"success": True, "message": "No survey found", "data": None}
    assert data("survey/status")["data"] == {"hasCompleted": False}
    assert data("recommendations/similar-users")["data"] == []
    assert data("posts/{category}/comments") == {"success": True, "data": []}
    found = data("users/profile")["data"]
    assert list(differences(found, shapes.OWN_PROFILE)) == []
    assert found["survey"] is None


class TestFiles:
    @pytest.fixture
    def url(self, picture: Callable[..., bytes]) -> str:
        name = f"avatars/{uuid4()}.jpg"
        return f"/uploads/{default_storage.save(name, ContentFile(picture()))}"

    def test_are_public_with_their_type_for_every_origin(self, url: str) -> None:
        response: Any = APIClient().get(url, HTTP_ORIGIN="https://elsewhere.example")
        assert response.status_code == 200
        assert b"".join(response)[:2] == b"\xff\xd8"
        assert response["Content-Type"] == "image/jpeg"
        assert response["Access-Control-Allow-Origin"] == "*"
        assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
        part: Any = APIClient().get(url, HTTP_RANGE="bytes=0-1")
        assert (part.status_code, b"".join(part)) == (206, b"\xff\xd8")

    def test_unknown_ones_and_folders_are_no_routes(self, url: str) -> None:
        for path in (f"{url}x", f"{url}/", "/uploads/", "/uploads/avatars/", "/uploads/../x"):
            check_error(APIClient().get(path, HTTP_ORIGIN=FRONTEND), 404, "Route not found")

    def test_cannot_be_changed(self, url: str) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            response = APIClient().generic(method, url, HTTP_ORIGIN=FRONTEND)
            check_error(response, 405, f'Method "{method}" not allowed.')
        assert default_storage.exists(url.removeprefix("/uploads/"))


class TestStream:
    """Its events are tested over a real server, with the rest of the smoke path."""

    PATH = "/api/notifications/stream"

    @pytest.mark.parametrize(
        ("query", "text"), [("", "No token provided"), ("?token=expired", "Invalid token")]
    )
    def test_needs_a_token(self, query: str, text: str) -> None:
        check_error(APIClient().get(f"{self.PATH}{query}", HTTP_ORIGIN=FRONTEND), 401, text)

    def test_has_one_method(self, world: World) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            response = world.client().generic(method, self.PATH)
            check_error(response, 405, f'Method "{method}" not allowed.')


# --- Both mounts ----------------------------------------------------------------------------


def served_paths(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from served_paths(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield re.sub("<[^>]+>", "*", path)


@pytest.mark.parametrize("pattern", sorted(set(served_paths(api_patterns))))
def test_both_mounts_lead_to_the_same_view(pattern: str) -> None:
    """At both mounts, no page and no other route comes before a route of the API."""
    path = pattern.replace("*", str(uuid4()))
    below_api, at_root = resolve(f"/api/{path}"), resolve(f"/{path}")
    assert (below_api.func, below_api.kwargs) == (at_root.func, at_root.kwargs)
    assert below_api.route == f"api/{at_root.route}"
    for mount in routes.BOTH:  # a slash at the end is no route, and there is none to redirect to
        with pytest.raises(Resolver404):
            resolve(f"{mount}/{path}/")


ALIKE = [
    Route("GET", "posts?page=1&limit=20", None),
    Route("POST", "auth/login", None, json={"emailOrPhone": "no@example.test", "password": "x"}),
    Route("POST", "posts/check-duplicates", None, files={"images": 1}),
    Route("GET", "posts/nonsense", None),
    Route("PATCH", "posts", None),
    *(Route(method, "posts/", None) for method in METHODS),
    Route("GET", "notifications/stream?token=expired", None),
]


@pytest.mark.parametrize("route", ALIKE, ids=str)
@pytest.mark.parametrize("token", [None, "", "expired"])
def test_answers_are_alike_under_both_mounts(route: Route, token: str | None, world: World) -> None:
    below_api, at_root = (send(world, route, token=token, mount=mount) for mount in routes.BOTH)
    assert below_api.status_code == at_root.status_code
    assert below_api.json() == at_root.json()
    assert below_api.headers.keys() == at_root.headers.keys()
    if route.path == "posts/":
        check_error(at_root, 404, "Route not found")


# --- The table itself -----------------------------------------------------------------------

# The stream has its own tests; the frontend does not use the routes of the AI.
ELSEWHERE = {
    "notifications/stream",
    "ai/image-features",
    "ai/classify",
    "ai/text-embedding",
    "ai/search-by-text",
    "ai/similar-images",
    "ai/recommendations",
    "ai",
}


BELOW_API_ALONE = {
    "search",
    "search/suggestions",
}  # have tests of their own and no mount at the root


def test_every_route_that_is_served_is_in_the_table() -> None:
    listed = {route.anonymous for route in routes.ALL}
    assert set(served_paths(api_patterns)) - ELSEWHERE == listed - {""}


def test_the_table_has_every_method_of_every_route_once() -> None:
    described = {
        (method, path.removeprefix("/api/"))
        for method, path in operations()
        if path.startswith("/api/")
    }
    listed = {(route.method, route.anonymous) for route in routes.ALL if "/api" in route.mounts}
    assert listed == {
        (method, path) for method, path in described if path not in {*ELSEWHERE, *BELOW_API_ALONE}
    }
