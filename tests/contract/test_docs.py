"""The page about the API, and the routes that its description has. `make lint` validates it."""

import re
from html.parser import HTMLParser

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from smimso.web.openapi import openapi_document

UNDESCRIBED = {"api/schema", "api/docs"}


def test_every_route_is_described() -> None:
    described = {path.strip("/").replace("{", "<").replace("}", ">") for path in paths()}
    routes = {route for route in api_routes(get_resolver().url_patterns) if "admin" not in route}
    assert {route for route in routes if route.startswith("api/")} - described == UNDESCRIBED
    assert "uploads/<name>" in described


def paths() -> dict[str, dict]:
    return openapi_document()["paths"]


def api_routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> set[str]:
    """Return the paths of the URL map, without the converters of parameters."""
    routes: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            routes |= api_routes(pattern.url_patterns, f"{prefix}{pattern.pattern}")
        else:
            routes.add(re.sub(r"<\w+:", "<", f"{prefix}{pattern.pattern}"))
    return routes


def test_operations_have_a_name_of_their_own_and_typed_answers() -> None:
    operations = [operation for path in paths().values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] and operation["responses"] for operation in operations)
    for operation in operations:
        for status, answer in operation["responses"].items():
            has_body = status not in ("304", "416")
            assert ("content" in answer) == has_body, operation["operationId"]
            if int(status) >= 400 and has_body and operation["operationId"] != "get_health":
                schema = answer["content"]["application/json"]["schema"]
                assert schema["$ref"].endswith("/Error")


@pytest.mark.parametrize(("accept", "kind"), [("json", "json"), ("yaml", "openapi")])
def test_the_description_is_served_to_everyone(accept: str, kind: str) -> None:
    response = Client().get("/api/schema", {"format": accept})
    assert response.status_code == 200
    assert kind in response.headers["Content-Type"]
    assert b"3.1.0" in response.content


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.files: list[str] = []
        self.inline: list[str] = []
        self._tag = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        values = dict(attrs)
        if tag in ("script", "link"):
            self.files.append(values.get("src") or values.get("href") or "")
        self.inline += [name for name in values if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self._tag in ("script", "style") and data.strip():
            self.inline.append(data)


def test_the_docs_page_needs_our_own_files_alone() -> None:
    response = Client().get("/api/docs")
    assert response.status_code == 200
    page = Page(response.content.decode())
    assert page.inline == []
    assert len(page.files) == 3
    for file in page.files:
        assert finders.find(file.removeprefix("/static/")), file
