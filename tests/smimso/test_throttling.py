"""Rate limits per address, account and member, on pages and in REST."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.settings import api_settings
from rest_framework.test import APIClient

from accounts.models import User
from posts.models import Post
from smimso.web.openapi import openapi_document
from smimso.web.throttling import client_address, retry_after
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
TEXT = "Too many requests. Please try again later."


def login(name: str, password: str = "wrong", **headers: Any) -> Any:
    fields = {"emailOrPhone": name, "password": password}
    return APIClient().post("/api/auth/login", fields, format="json", **headers)


def assert_throttled(response: Any, max_seconds: int = 3600) -> None:
    assert response.status_code == 429
    assert response.json() == {"success": False, "error": TEXT, "message": TEXT}
    assert 1 <= int(response["Retry-After"]) <= max_seconds


def test_guesses_at_one_password_are_limited_and_other_accounts_are_not(
    owner: User, stranger: User, settings: Any
) -> None:
    settings.THROTTLES = {"password": "3/1h"}
    for _ in range(3):
        assert login(owner.email).status_code == 401
    assert_throttled(login(f" {owner.email.upper()}", PASSWORD))
    assert login(stranger.email, PASSWORD).status_code == 200
    assert login(owner.email, PASSWORD, REMOTE_ADDR="192.0.2.9").status_code == 200


def test_guesses_at_many_accounts_from_one_address_are_limited(owner: User, settings: Any) -> None:
    settings.THROTTLES = {"login": "3/1h", "password": "100/1h"}
    for number in range(3):
        assert login(f"guess{number}@example.test").status_code == 401
    assert_throttled(login(owner.email, PASSWORD))


def test_registering_and_changing_passwords_are_limited(
    owner: User, api: Callable[..., APIClient], settings: Any
) -> None:
    settings.THROTTLES = {"register": "2/1h", "password": "2/1h"}
    responses = [APIClient().post("/auth/register", {}, format="json") for _ in range(3)]
    assert [response.status_code for response in responses] == [400, 400, 429]
    client = api(owner)
    wrong = {"password": "wrong", "newPassword": "battery staple"}
    assert client.post("/auth/change-password", wrong, format="json").status_code == 400
    assert client.delete("/auth/me", {"password": "wrong"}, format="json").status_code == 400
    assert_throttled(client.delete("/auth/me", {"password": PASSWORD}, format="json"))
    assert client.get("/auth/me").status_code == 200


def test_members_are_counted_by_id_whatever_their_address(
    owner: User, stranger: User, api: Callable[..., APIClient], settings: Any
) -> None:
    settings.THROTTLES = {"uploads": "2/1h", "ai": "1/1h"}
    for address in ("192.0.2.1", "192.0.2.2"):
        response = api(owner).post("/users/profile/avatar", REMOTE_ADDR=address)
        assert response.status_code == 400
    assert_throttled(api(owner).post("/users/profile/avatar"))
    assert api(stranger).post("/users/profile/avatar").status_code == 400
    assert api(owner).post("/search/text", {}, format="json").status_code == 400
    assert_throttled(api(owner).post("/api/search/text", {}, format="json"))


def test_all_kinds_of_search_count_together(
    owner: User, stranger: User, api: Callable[..., APIClient], settings: Any
) -> None:
    settings.THROTTLES = {"ai": "2/1h"}
    client = api(owner)
    assert client.get("/api/search").status_code == 400
    assert client.post("/api/search", {}, format="multipart").status_code == 400
    assert_throttled(client.get("/api/search?q=cat"))
    assert_throttled(client.post("/api/search/text", {}, format="json"))
    assert client.options("/api/search").status_code != 429
    assert api(stranger).get("/api/search").status_code == 400


def test_pages_that_search_count_together_with_the_api(
    owner: User, stranger: User, api: Callable[..., APIClient], client: Client, settings: Any
) -> None:
    settings.THROTTLES = {"ai": "2/1h"}
    client.force_login(owner)
    post = Post.objects.create(user=owner, title="A cat")
    pages = ["/search", "/search?q=cat", f"/post/{post.pk}/similar", "/for-you"]
    for page in pages:
        cache.clear()
        assert api(owner).get("/api/search?q=cat").status_code == 200
        assert client.get(page).status_code == 200
        assert client.get(page).status_code == 429
        assert client.post("/search").status_code == 429
        assert_throttled(api(owner).get(f"/api/posts/{post.pk}/similar"))
        assert_throttled(api(owner).get("/api/recommendations/for-you"))
        assert api(stranger).get("/api/search?q=cat").status_code == 200
        assert client.get("/").status_code == 200


def test_visitors_of_a_page_are_counted_by_address(client: Client, settings: Any) -> None:
    settings.THROTTLES = {"ai": "1/1h"}
    statuses = [client.get("/search", REMOTE_ADDR=f"192.0.2.{n}").status_code for n in (1, 1, 2)]
    assert statuses == [200, 429, 200]


def test_the_page_about_too_many_requests_is_in_the_readers_language(
    client: Client, settings: Any
) -> None:
    settings.THROTTLES = {"ai": "1/1h"}
    client.get("/search")
    page = client.get("/search?q=cat", headers={"Accept-Language": "vi"})
    assert page.status_code == 429
    assert 1 <= int(page.headers["Retry-After"]) <= 3600
    assert "Bạn vừa gửi quá nhiều yêu cầu" in page.text
    assert 'href="/search?q=cat"' in page.text
    assert "<nav" in page.text
    part = client.get("/search?q=cat", headers={"HX-Request": "true"})
    assert part.status_code == 429
    assert "Too many requests" in part.text
    assert "<html" not in part.text
    assert "HX-Request" in part.headers["Vary"]


def test_sending_pictures_without_scripts_counts_as_an_upload(
    owner: User, api: Callable[..., APIClient], client: Client, settings: Any
) -> None:
    settings.THROTTLES = {"uploads": "1/1h"}
    client.force_login(owner)
    assert client.post("/upload", {"title": "A cat"}).status_code == 400
    assert client.post("/upload", {"title": "A cat"}).status_code == 429
    assert_throttled(api(owner).post("/api/posts", {}, format="multipart"))
    assert client.get("/upload").status_code == 200


def test_the_openapi_document_names_the_throttled_routes() -> None:
    paths = openapi_document()["paths"]
    throttled = {
        (path, method)
        for path in paths
        for method in paths[path]
        if "429" in paths[path][method]["responses"]
    }
    assert ("/api/search", "get") in throttled
    assert ("/api/search", "post") in throttled
    assert ("/api/auth/login", "post") in throttled
    assert {path for path, method in throttled if method == "get"} == {
        "/api/search",
        "/api/posts/{post_id}/similar",
        "/api/recommendations/for-you",
    }


def test_the_window_ends(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.THROTTLES = {"login": "1/2m"}
    now = 1_000_000.0
    monkeypatch.setattr("smimso.web.throttling.time.time", lambda: now)
    assert retry_after("login", "a") == 0
    wait = retry_after("login", "a")
    assert 0 < wait <= 120
    now += wait
    assert retry_after("login", "a") == 0


def test_a_limit_may_be_off_and_must_be_a_rate(settings: Any) -> None:
    settings.THROTTLES = {"off": "", "odd": "often"}
    cache.clear()
    assert not any(retry_after("off", "a") or retry_after("unknown", "a") for _ in range(9))
    with pytest.raises(ValueError, match="is not a rate"):
        retry_after("odd", "a")


def test_without_redis_requests_pass(
    owner: User, settings: Any, redis_away: None, caplog: pytest.LogCaptureFixture
) -> None:
    settings.THROTTLES = {"login": "1/1h", "password": "1/1h"}
    for _ in range(3):
        assert login(owner.email, PASSWORD).status_code == 200
    assert "The cache is not reachable" in caplog.text


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, "10.0.0.1"),
        (0, "198.51.100.7", "10.0.0.1"),
        (1, None, "10.0.0.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "made-up, 198.51.100.7", "198.51.100.7"),
        (2, "made-up, 198.51.100.7, 10.0.0.9", "198.51.100.7"),
        (2, "198.51.100.7", "198.51.100.7"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "unknown", "unknown"),
    ],
)
def test_only_trusted_proxies_count(
    monkeypatch: pytest.MonkeyPatch, proxies: int, forwarded: str | None, address: str
) -> None:
    monkeypatch.setattr(api_settings, "NUM_PROXIES", proxies)
    meta = {"REMOTE_ADDR": "10.0.0.1"}
    if forwarded is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded
    assert client_address(SimpleNamespace(META=meta)) == address


def test_a_forged_header_does_not_evade_the_limit(owner: User, settings: Any) -> None:
    settings.THROTTLES = {"password": "2/1h"}
    statuses = [
        login(owner.email, HTTP_X_FORWARDED_FOR=f"192.0.2.{number}").status_code
        for number in range(3)
    ]
    assert statuses == [401, 401, 429]


@pytest.mark.parametrize(
    "path",
    [
        *("/posts", "/posts/upload", "/posts/generate-caption", "/posts/generate-metadata"),
        *("/users/profile/cover", "/search/image", "/ai/image-features", "/ai/classify"),
    ],
)
def test_expensive_routes_are_limited(
    owner: User, api: Callable[..., APIClient], settings: Any, path: str
) -> None:
    settings.THROTTLES = {"uploads": "1/1h", "ai": "1/1h"}
    client = api(owner)
    assert client.post(path, {}, format="multipart").status_code == 400
    assert_throttled(client.post(f"/api{path}", {}, format="multipart"))
    assert client.get("/posts").status_code == 200
