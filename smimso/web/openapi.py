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
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from smimso.web.auth import BACKGROUND_AUTHENTICATION
from smimso.web.throttling import AccountThrottle, is_throttled

JSON, FORM = "application/json", "multipart/form-data"
API = "/api/"
_PARAMETER = re.compile(r"{\w+}")
_SAFE = ("GET", "HEAD", "OPTIONS")
ERRORS = {
    400: "What was sent is not acceptable",
    401: "No token, or not a valid one",
    403: "Not allowed",
    404: "Not there, or not for this member",
    413: "Too large",
    415: "Another content type is expected",
    429: "Too many requests",
    501: "Not set up on this server",
    503: "Not available at the moment",
}

_SHAPES: dict[str, type[serializers.Serializer]] = {}

View = TypeVar("View", bound=Callable[..., Any])
Shape = type[serializers.BaseSerializer] | serializers.BaseSerializer


# --- What views say ---------------------------------------------------------------------------


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
    """Describes a view's method: JSON `body` or multipart `form` in, `data` out.

    data: what is in the envelope, None for null; without `envelope`, the whole body.
    errors: those that `Schema` cannot know.
    """
    return extend_schema(
        summary=summary,
        request={JSON: body} if body else {FORM: form} if form else None,
        parameters=list(query),
        responses={
            status: _enveloped(data) if envelope else data,
            **{(error, JSON): ErrorSerializer for error in errors},
        },
    )


def documented_page(
    summary: str,
    item: type[serializers.Serializer],
    *,
    query: Sequence[OpenApiParameter | type[serializers.Serializer]] = (),
) -> Callable[[View], View]:
    """Describes a list that comes in pages."""
    return extend_schema(
        summary=summary,
        request=None,
        parameters=[*query, *PAGING],
        responses={200: _page_of(item)},
    )


def documented_plain(summary: str, **description: Any) -> Callable[[View], View]:
    """Describes the GET of a Django view that is no APIView, as `extend_schema` would."""

    def describe(function: View) -> View:
        class Description(APIView):
            authentication_classes = ()
            permission_classes = (AllowAny,)

            @extend_schema(summary=summary, request=None, **description)
            def get(self, request: Any) -> None:
                raise NotImplementedError

        # What DRF tells its own views by.
        vars(function).update(cls=Description, initkwargs={})
        return function

    return describe


def query_param(name: str, kind: str, description: str = "", **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": kind, **schema}, description=description)


def limit_param(default: int) -> OpenApiParameter:
    return query_param("limit", "integer", minimum=1, default=default)


PAGING = (query_param("page", "integer", minimum=1, default=1), limit_param(20))


# --- Shapes -----------------------------------------------------------------------------------


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
    """`error` and `message` are the same text."""

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
        kind = "List" if many else "OrNull" if field.allow_null else ""
        name = _name(field.child if many else field) + kind
    message = serializers.CharField(required=False)
    return _shape(f"{name}Answer", success=_TrueField(), message=message, data=field)


def _page_of(item: type[serializers.Serializer]) -> type[serializers.Serializer]:
    return _shape(
        f"{_name(item())}Page",
        success=_TrueField(),
        data=item(many=True),
        pagination=PaginationSerializer(),
    )


def _name(data: serializers.Field) -> str:
    return type(data).__name__.removesuffix("Serializer")


def _shape(name: str, **fields: serializers.Field) -> type[serializers.Serializer]:
    """One class per shape: each is a component of the description."""
    return _SHAPES.setdefault(name, type(name, (serializers.Serializer,), fields))


# --- What is derived --------------------------------------------------------------------------


class EnvelopeSchema(AutoSchema):
    """An operation's name, its error answers, and which fields an answer always has."""

    def get_operation_id(self) -> str:
        """`delete /api/posts/{post_id}/comments/{comment_id}` is `delete_post_comment`."""
        words: list[str] = [self.method.lower()]
        for part in self.path.removeprefix(API).strip("/").split("/"):
            if _PARAMETER.fullmatch(part):
                words[-1] = words[-1].removesuffix("s")
            else:
                words.append(part.replace("-", "_"))
        return "_".join(filter(None, words)) if words[1:] != [""] else "get_index"

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular's, too
        """A class's docstring is for who reads the code."""
        return get_doc(getattr(self.view, self.method.lower()))

    def _get_request_body(self, direction: Any = "request") -> Any:
        if self.method == "DELETE" and self.get_request_serializer():
            # The end of an account has one, which HTTP allows and drf-spectacular leaves out.
            self.method = "POST"
            try:
                return super()._get_request_body(direction)
            finally:
                self.method = "DELETE"
        return super()._get_request_body(direction)

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for status in self._errors():
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

    def _errors(self) -> list[int]:
        changes = self.method not in _SAFE
        token = bool(self.view.get_authenticators()) and not any(
            isinstance(permission, AllowAny) for permission in self.view.get_permissions()
        )
        guarded = AccountThrottle in (type(throttle) for throttle in self.view.get_throttles())
        likely = {
            400: changes or bool(self._get_parameters()),
            401: token,
            # Without a token pages use a cookie, and what changes something then wants CSRF's.
            403: token
            and (changes or self.view.authentication_classes == BACKGROUND_AUTHENTICATION),
            404: bool(_PARAMETER.search(self.path)),
            413: changes and bool(self.get_request_serializer()),
            415: changes and bool(self.get_request_serializer()),
            429: is_throttled(self.view, self.method) or (changes and guarded),
        }
        return [status for status, is_likely in likely.items() if is_likely]

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)
        shape = force_instance(serializer)
        if direction == "response" and isinstance(shape, serializers.ModelSerializer):
            # Whether a row needs a value and whether an answer has the field are two things.
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
    """The same token: what differs is the error."""

    target_class = "smimso.web.auth._BackgroundJWTAuthentication"
    name = []

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[Any]]:
        return {BearerScheme.name: []}

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        return []


def drop_duplicate_mounts(endpoints: list[Any], **_: Any) -> list[Any]:
    """Routes are served under `/api/` and `/`; one of the two is enough to read about."""
    paths = {path for path, *_ in endpoints}
    return [endpoint for endpoint in endpoints if f"/api{endpoint[0]}" not in paths]


@cache
def openapi_document() -> dict[str, Any]:
    """The whole document. It changes with the code alone."""
    return SchemaGenerator().get_schema(request=None, public=True)
