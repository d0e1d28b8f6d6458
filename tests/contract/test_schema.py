"""What the API says of itself (OpenAPI), and that it keeps to it whatever is sent."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from PIL import Image
from schemathesis import checks

from smimso.web.auth import issue_token
from smimso.web.openapi import JSON, openapi_document
from tests.contract import routes
from tests.contract.conftest import World
from tests.contract.routes import Route, without_names
from tests.contract.test_routes import send


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), "teal").save(buffer, "PNG")
    return buffer.getvalue()


schemathesis.openapi.format("binary", st.sampled_from([png(), b"no picture", b""]))
schema = schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application())
schema.config.phases.coverage.unexpected_methods = set()
# The stream never ends; tests/notifications listens to it.
operations = schema.exclude(path_regex="/stream$")
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """A request's end closes the connection, and with it the test's transaction."""
    request_finished.disconnect(close_old_connections)
    request_started.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@operations.parametrize()
@settings(
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.usefixtures("_ai_answers", "_google_answers", "_one_connection")
def test_every_answer_is_described(case: schemathesis.Case, world: World) -> None:
    """Once with the ids as generated, once with those of rows that are there."""
    answer(case, world)
    if case.path_parameters:
        known = existing(case.method, world)
        case.path_parameters = {
            name: known.get(name, value) for name, value in case.path_parameters.items()
        }
        answer(case, world)


def answer(case: schemathesis.Case, world: World) -> None:
    headers = {"Authorization": f"Bearer {issue_token(world.viewer)}"}
    with transaction.atomic():
        case.call_and_validate(headers=headers, checks=CHECKS)
        transaction.set_rollback(True)


@pytest.mark.usefixtures("_ai_answers", "_google_answers")
@pytest.mark.parametrize("route", routes.ALL, ids=str)
def test_answers_of_the_contract_are_described_to_the_last_field(
    route: Route, world: World
) -> None:
    mount = "/api" if "/api" in route.mounts else ""
    operation = described()[route.method, without_names(f"{mount}/{route.pattern}")]
    response = send(world, route, mount)
    shape = operation["responses"][str(response.status_code)]["content"][JSON]["schema"]
    validator = Draft202012Validator(
        {**shape, "components": closed(openapi_document()["components"])}
    )
    assert [error.message for error in validator.iter_errors(response.json())] == []


def described() -> dict[tuple[str, str], dict[str, Any]]:
    """The operations by their method and their path without the names of its parameters."""
    return {
        (method.upper(), without_names(path)): operation
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
    }


def closed(schema: Any) -> Any:
    """The same shapes, with no room for fields that they do not name."""
    if not isinstance(schema, dict):
        return [closed(item) for item in schema] if isinstance(schema, list) else schema
    shapes = {name: closed(value) for name, value in schema.items()}
    return {**shapes, "additionalProperties": False} if "properties" in shapes else shapes


def existing(method: str, world: World) -> dict[str, str]:
    own = method in ("PUT", "PATCH", "DELETE")
    return {
        "post_id": world.names["mine" if own else "post"],
        "comment_id": world.names["comment"],
        "image_id": world.names["image"],
        "user_id": world.names["owner"],
        "notification_id": world.names["notification"],
    }
