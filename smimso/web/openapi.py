"""The OpenAPI 3.1 document: the envelope, the errors, and views that are no APIView.

`@documented` names what a view takes and returns; what all routes have in common is derived here.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance, get_doc
from drf_spectacular.utils import (
    Direction,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from smimso.web.auth import BACKGROUND_AUTHENTICATION
from smimso.web.throttling import AccountThrottle, is_throttled

JSON, FORM = "application/json", "multipart/form-data"
API = "/api/"
_PARAMETER = re.compile(r"{\w+}")
_SAFE = ("GET", "HEAD", "OPTIONS")
ERRORS = {
    400: "Invalid input",
    401: "Missing or invalid token",
    403: "Not allowed",
    404: "Not found, or not visible to this member",
    413: "Too large",
    415: "Unsupported content type",
    429: "Too many requests",
    501: "Not configured on this server",
    503: "Not available at the moment",
}

_COMPONENTS: dict[str, type[serializers.Serializer]] = {}

View = TypeVar("View", bound=Callable[..., Any])
Shape = type[serializers.BaseSerializer] | serializers.BaseSerializer
Endpoint = tuple[str, str, str, Callable[..., Any]]  # path, pattern, method, view


# --- Decorators of views ----------------------------------------------------------------------


def documented(
    summary: str,
    data: Shape | None = None,
    *,
    body: type[serializers.Serializer] | None = None,
    form: type[serializers.Serializer] | None = None,
    query: Sequence[OpenApiParameter | type[serializers.Serializer]] = (),
    status: int = 200,
    errors: Sequence[int] = (),
    envelope: bool = True,
) -> Callable[[View], View]:
    """Document a method of a view: its JSON `body` or multipart `form`, and its response.

    data: the content of the envelope, None for null; without `envelope`, the whole response body.
    errors: statuses that EnvelopeSchema cannot derive. A form has files; its 503 means that too
    many are being processed.
    """
    statuses = sorted({*errors, 503}) if form else errors
    return extend_schema(
        summary=summary,
        request={JSON: body} if body else {FORM: form} if form else None,
        parameters=list(query),
        responses={
            status: _enveloped(data) if envelope else data,
            **{(error, JSON): ErrorSerializer for error in statuses},
        },
    )


def documented_page(
    summary: str,
    item: type[serializers.Serializer],
    *,
    query: Sequence[OpenApiParameter | type[serializers.Serializer]] = (),
) -> Callable[[View], View]:
    """Document a method that returns a list page by page."""
    return extend_schema(
        summary=summary,
        request=None,
        parameters=[*query, *PAGING],
        responses={200: _page_of(item)},
    )


def documented_plain(summary: str, **operation: Any) -> Callable[[View], View]:
    """Document the GET of a Django view that is no APIView; arguments as of `extend_schema`."""

    def decorate(function: View) -> View:
        class Description(APIView):
            authentication_classes = ()
            permission_classes = (AllowAny,)

            @extend_schema(summary=summary, request=None, **operation)
            def get(self, request: Request) -> None:
                raise NotImplementedError

        # DRF's generator recognises its views by these attributes.
        vars(function).update(cls=Description, initkwargs={})
        return function

    return decorate


def query_param(
    name: str, json_type: str, description: str = "", **schema: object
) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": json_type, **schema}, description=description)


def limit_param(default: int) -> OpenApiParameter:
    return query_param("limit", "integer", minimum=1, default=default)


PAGING = (query_param("page", "integer", minimum=1, default=1), limit_param(20))


# --- Response bodies --------------------------------------------------------------------------


@extend_schema_field({"type": "boolean", "const": True})
class _TrueField(serializers.BooleanField):
    pass


@extend_schema_field({"type": "boolean", "const": False})
class _FalseField(serializers.BooleanField):
    pass


@extend_schema_field({"type": "null"})
class _NullField(serializers.Field):
    pass


class ErrorSerializer(serializers.Serializer):
    """`error` and `message` are the same text; the header `Error-Code` has its stable code."""

    success = _FalseField()
    error = serializers.CharField()
    message = serializers.CharField()


class PaginationSerializer(serializers.Serializer):
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()
    totalPages = serializers.IntegerField()  # noqa: N815 - the frontend's name


def _enveloped(data: Shape | None) -> type[serializers.Serializer]:
    name, field = "Empty", _NullField()
    if data is not None:
        field = force_instance(data)
        many = isinstance(field, serializers.ListSerializer)
        suffix = "List" if many else "OrNull" if field.allow_null else ""
        name = _component_name(field.child if many else field) + suffix
    message = serializers.CharField(required=False)
    return _component(f"{name}Answer", success=_TrueField(), message=message, data=field)


def _page_of(item: type[serializers.Serializer]) -> type[serializers.Serializer]:
    return _component(
        f"{_component_name(item())}Page",
        success=_TrueField(),
        data=item(many=True),
        pagination=PaginationSerializer(),
    )


def _component_name(data: serializers.Field) -> str:
    return type(data).__name__.removesuffix("Serializer")


def _component(name: str, **fields: serializers.Field) -> type[serializers.Serializer]:
    """Return the one serializer class of this name: each is a component of the document."""
    return _COMPONENTS.setdefault(name, type(name, (serializers.Serializer,), fields))


# --- Derived from routes and views ------------------------------------------------------------


class EnvelopeSchema(AutoSchema):
    """Derives operation ids, error responses, and the fields that responses always have."""

    def get_operation_id(self) -> str:
        """Name `DELETE /api/posts/{post_id}/comments/{comment_id}` `delete_post_comment`."""
        words: list[str] = [self.method.lower()]
        for part in self.path.removeprefix(API).strip("/").split("/"):
            if _PARAMETER.fullmatch(part):
                words[-1] = words[-1].removesuffix("s")
            else:
                words.append(part.replace("-", "_"))
        return "_".join(filter(None, words)) if words[1:] != [""] else "get_index"

    def get_description(self) -> str:  # type: ignore[override] # as drf-spectacular's own
        """Return the method's docstring: a class's docstring is for readers of the code."""
        return get_doc(getattr(self.view, self.method.lower()))

    def _get_request_body(self, direction: Direction = "request") -> dict[str, Any] | None:
        if self.method == "DELETE" and self.get_request_serializer():
            # Deleting an account takes a body, which HTTP allows and drf-spectacular leaves out.
            self.method = "POST"
            try:
                return super()._get_request_body(direction)
            finally:
                self.method = "DELETE"
        return super()._get_request_body(direction)

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        for status in self._likely_errors():
            if str(status) not in bodies:
                bodies[str(status)] = self._get_response_for_code(
                    ErrorSerializer, str(status), [JSON]
                )
        for status, text in ERRORS.items():
            if str(status) in bodies:
                bodies[str(status)]["description"] = text
        if "429" in bodies:
            bodies["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
        return dict(sorted(bodies.items()))

    def _likely_errors(self) -> list[int]:
        changes = self.method not in _SAFE
        needs_token = bool(self.view.get_authenticators()) and not any(
            isinstance(permission, AllowAny) for permission in self.view.get_permissions()
        )
        throttles = {type(throttle) for throttle in self.view.get_throttles()}
        likely = {
            400: changes or bool(self._get_parameters()),
            401: needs_token,
            # Pages authenticate by cookie, and then writing requests need the CSRF token.
            403: needs_token
            and (changes or self.view.authentication_classes == BACKGROUND_AUTHENTICATION),
            404: bool(_PARAMETER.search(self.path)),
            413: changes and bool(self.get_request_serializer()),
            415: changes and bool(self.get_request_serializer()),
            429: is_throttled(self.view, self.method) or (changes and AccountThrottle in throttles),
        }
        return [status for status, is_likely in likely.items() if is_likely]

    def _map_basic_serializer(self, serializer: Shape, direction: Direction) -> dict[str, Any]:
        schema = super()._map_basic_serializer(serializer, direction)
        shape = force_instance(serializer)
        if direction == "response" and isinstance(shape, serializers.ModelSerializer):
            # A field that may be omitted from a request is still present in every response.
            declared = shape._declared_fields.items()
            optional = {name for name, field in declared if not (field.required or field.read_only)}
            schema["required"] = sorted(schema["properties"].keys() - optional)
        return schema


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "smimso.web.auth.JWTAuthentication"
    name = "Bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class BackgroundBearerScheme(OpenApiAuthenticationExtension):
    """Declares the same scheme as BearerScheme: only the error's status differs."""

    target_class = "smimso.web.auth.BackgroundJWTAuthentication"
    name = []

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[Any]]:
        return {BearerScheme.name: []}

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        return []


def drop_duplicate_mounts(endpoints: list[Endpoint], **_: object) -> list[Endpoint]:
    """Leave out the routes under `/` that are served under `/api/` as well."""
    paths = {path for path, *_ in endpoints}
    return [endpoint for endpoint in endpoints if f"/api{endpoint[0]}" not in paths]


@cache
def openapi_document() -> dict[str, Any]:
    """Return the whole document. It depends on the code alone, hence the cache."""
    return SchemaGenerator().get_schema(request=None, public=True)
