"""Generated requests: every answer matches the OpenAPI description of the API."""

import io
from collections.abc import Iterator

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck
from hypothesis import strategies as st
from PIL import Image
from schemathesis import checks
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

from smimso.web.auth import issue_token
from tests.contract.conftest import World
from tests.properties import examples

pytestmark = pytest.mark.slow


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
@hypothesis.settings(examples(5), suppress_health_check=list(HealthCheck))
@pytest.mark.usefixtures("_fake_ai", "_fake_google", "_one_connection")
def test_every_answer_is_described(case: schemathesis.Case, world: World) -> None:
    if case.path_parameters and not is_about_ids(case):
        known = existing(case.method, world)
        case.path_parameters = {
            name: known.get(name, value) for name, value in case.path_parameters.items()
        }
    headers = {"Authorization": f"Bearer {issue_token(world.viewer)}"}
    with transaction.atomic():
        case.call_and_validate(headers=headers, checks=CHECKS)
        transaction.set_rollback(True)


def is_about_ids(case: schemathesis.Case) -> bool:
    """Return whether the generated ids are what the case tries, and not a query or a body."""
    assert case.meta
    if case.meta.phase.name is TestPhase.COVERAGE:
        return case.meta.phase.data.parameter_location is ParameterLocation.PATH
    return not case.operation.query and not case.operation.body


def existing(method: str, world: World) -> dict[str, str]:
    own = method in ("PUT", "PATCH", "DELETE")
    return {
        "post_id": world.names["mine" if own else "post"],
        "comment_id": world.names["comment"],
        "image_id": world.names["image"],
        "user_id": world.names["owner"],
        "notification_id": world.names["notification"],
    }
