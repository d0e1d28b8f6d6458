"""Input that no well-meaning client sends: it is refused and breaks nothing."""

import base64
import json
from collections import defaultdict
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from smimso.web.auth import issue_token
from smimso.web.openapi import JSON, openapi_document
from tests.contract.conftest import World

DEEP = "[" * 100_000
BODIES = {
    "nothing": b"",
    "a list": b"[]",
    "a number": b"1e999",
    "null": b"null",
    "a text": b'"text"',
    "no JSON": b"{",
    "NaN": b'{"content": NaN}',
    "no UTF-8": b'{"content": "\xff\xfe"}',
    "too deep": DEEP.encode(),
    "half a character": rb'{"content": "\ud800", "emailOrPhone": "\ud800", "password": "\udfff"}',
    "NUL": rb'{"content": "\u0000", "query": "\u0000", "title": "\u0000", "first_name": "\u0000"}',
    "a huge number": b'{"expectation_level": ' + b"9" * 5_000 + b"}",
    "objects for texts": b'{"content": {}, "query": [], "title": {}, "emailOrPhone": {}}',
}
KINDS = {
    "as JSON": JSON,
    "in no encoding of texts": f"{JSON}; charset=hex",
    "in one for names": f"{JSON}; charset=idna",
    "in an unknown one": f"{JSON}; charset=klingon",
    "as a form": "application/x-www-form-urlencoded; charset=punycode",
    "as parts without a boundary": "multipart/form-data",
    "as parts": "multipart/form-data; boundary=x; charset=idna",
    "as a picture": "image/png",
    "as nonsense": "\xe9;;=/",
}


def writing_operations() -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
        if "requestBody" in operation
    ]


@pytest.fixture
def client(world: World) -> Client:
    token = issue_token(world.viewer)
    return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})


def is_refused(response: Any) -> bool:
    body = json.loads(response.content)
    return response.status_code < 500 and body["success"] is (response.status_code < 400)


@pytest.mark.parametrize(("method", "path"), writing_operations())
def test_odd_bodies_are_refused(method: str, path: str, client: Client, world: World) -> None:
    known = {"post_id": world.names["mine"], "user_id": world.names["owner"]}
    others = {
        name: world.names[name.removesuffix("_id")] for name in ("notification_id", "image_id")
    }
    url = path.format_map({**others, **known})
    cases = [(kind, body, JSON) for kind, body in BODIES.items()]
    cases += [(kind, b'{"a": "b"}', content_type) for kind, content_type in KINDS.items()]
    for kind, body, content_type in cases:
        response = client.generic(method, url, body, content_type=content_type)
        assert is_refused(response), (kind, response.status_code, response.content)


@pytest.mark.parametrize(
    "path", ["/api/posts", "/api/users/search", "/uploads/posts/a.jpg", "/api/"]
)
@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"a{number}=1" for number in range(1_500)),
        "q=%00&search=%00&page=%00&limit=%00",
        "q=%ff%fe&search=%ed%a0%80&categoryId=%ff",
        f"page={'9' * 5_000}&limit=-1&expires={'9' * 5_000}&signature=x",
    ],
)
def test_odd_queries_are_refused(path: str, query: str, client: Client) -> None:
    response = client.get(f"{path}?{query}")
    assert is_refused(response), (response.status_code, response.content)


def reading_operations() -> list[tuple[str, list[str]]]:
    """Return the paths that can be read, each with the names of its parameters."""
    return [
        (path, names)
        for path, methods in openapi_document()["paths"].items()
        if "get" in methods and not path.endswith("/stream")
        if (names := [each["name"] for each in methods["get"].get("parameters", [])])
    ]


@pytest.mark.usefixtures("_fake_ai")
@pytest.mark.parametrize(("path", "names"), reading_operations())
def test_odd_parameters_are_refused(
    path: str, names: list[str], client: Client, world: World
) -> None:
    known = {"post_id": world.names["mine"], "user_id": world.names["owner"]}
    for name, value in product(names, ("\0", "a\0b", "9" * 30, "-1", "0001-01-01", "x" * 3_000)):
        in_path = f"{{{name}}}" in path
        values = known | ({name: quote(value)} if in_path else {})
        url = path.format_map(defaultdict(lambda: "x", values))
        response = client.get(url, {} if in_path else {name: value})
        assert is_refused(response), (name, value, response.status_code, response.content)


def test_a_picture_with_an_endless_expiry_is_not_there(client: Client, world: World) -> None:
    path = f"/uploads/posts/{world.names['post']}.jpg"
    response = Client(raise_request_exception=False).get(
        path, {"expires": "9" * 5_000, "signature": "é"}
    )
    assert response.status_code == 404


@pytest.mark.parametrize("path", ["auth/me", "notifications", "notifications/stream"])
@pytest.mark.parametrize("header", [DEEP[:6_000], '{"alg": "HS256"}', '{"alg": []}', '"\\ud800"'])
def test_odd_tokens_are_refused(path: str, header: str, db: None) -> None:
    token = base64.urlsafe_b64encode(header.encode()).decode().rstrip("=")
    response = Client(raise_request_exception=False).get(
        f"/api/{path}", headers={"Authorization": f"Bearer {token}.e30.e30"}
    )
    assert response.status_code == (403 if path == "notifications" else 401)


@pytest.mark.parametrize("content_type", [JSON, "application/x-www-form-urlencoded"])
def test_a_body_that_is_too_large_is_not_read(content_type: str, client: Client) -> None:
    body = b'{"query": "' + b"a" * 2 * 1024 * 1024 + b'"}'
    response = client.post("/api/search/text", body, content_type=content_type)
    assert response.status_code == 413
    assert is_refused(response)


def test_more_fields_than_any_form_has_are_refused(client: Client, world: World) -> None:
    fields = {f"field{number}": "1" for number in range(1_500)}
    assert client.post("/api/posts", fields).status_code == 400


@pytest.mark.usefixtures("_fake_ai")
@pytest.mark.parametrize("labels", [DEEP, r'["\ud800"]', '{"a": 1}', "[1]"])
def test_odd_labels_are_refused(labels: str, client: Client, picture: Any) -> None:
    image = SimpleUploadedFile("a.jpg", picture(), "image/jpeg")
    response = client.post("/api/ai/classify", {"image": image, "labels": labels})
    assert response.status_code == 400


@pytest.mark.parametrize("tags", [DEEP, r'["\ud800"]', r'["\u0000"]'])
def test_odd_tags_are_refused(tags: str, client: Client, picture: Any) -> None:
    image = SimpleUploadedFile("a.jpg", picture(), "image/jpeg")
    response = client.post("/api/posts", {"images": image, "tags": tags})
    assert response.status_code == 400
