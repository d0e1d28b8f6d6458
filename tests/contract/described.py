"""The OpenAPI description as a validator of single answers."""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from smimso.web.openapi import JSON, openapi_document
from tests.contract.routes import Route, without_names


@cache
def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the operations by their method and their path without the names of parameters."""
    return {
        (method.upper(), without_names(path)): operation
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
    }


@cache
def _components() -> Any:
    return _closed(openapi_document()["components"])


def _closed(schema: Any) -> Any:
    """Return the same shapes with no room for fields that they do not name."""
    if not isinstance(schema, dict):
        return [_closed(item) for item in schema] if isinstance(schema, list) else schema
    shapes = {name: _closed(value) for name, value in schema.items()}
    return {**shapes, "additionalProperties": False} if "properties" in shapes else shapes


def schema_errors(route: Route, response: Any) -> list[str]:
    """Return how a route's answer differs from its description, to the last field."""
    operation = operations()[route.method, without_names(f"{route.mounts[0]}/{route.pattern}")]
    shape = operation["responses"][str(response.status_code)]["content"][JSON]["schema"]
    validator = Draft202012Validator({**shape, "components": _components()})
    return [error.message for error in validator.iter_errors(response.json())]
