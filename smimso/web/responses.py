"""The envelope of every JSON answer, and the one place where an error becomes a response."""

import logging
import math
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from smimso import errors
from smimso.web.pages import not_found_page, server_error_page, wants_page

logger = logging.getLogger(__name__)


def success(data: Any = None, message: str | None = None, *, status: int = 200) -> Response:
    body: dict[str, Any] = {"success": True}
    if message is not None:
        body["message"] = message
    return Response({**body, "data": data}, status=status)


def paginated(data: Any, *, page: int, limit: int, total: int) -> Response:
    pagination = {
        "page": page,
        "limit": limit,
        "total": total,
        "totalPages": math.ceil(total / limit),
    }
    return Response({"success": True, "data": data, "pagination": pagination})


def page_and_limit(
    query: Mapping[str, str], *, default: int = 20, most: int = 100
) -> tuple[int, int]:
    """`page` and `limit` of a query string; what is missing, odd or out of range is clamped."""
    return (
        clamped_int(query.get("page"), default=1, least=1, most=10_000),
        clamped_int(query.get("limit"), default=default, least=1, most=most),
    )


def clamped_int(text: str | None, *, default: int, least: int, most: int) -> int:
    try:
        number = int(text or default)
    except ValueError:
        number = default
    return max(least, min(most, number))


def error_body(text: str) -> dict[str, Any]:
    """`error` and `message` both: the frontend reads the one here and the other there."""
    return {"success": False, "error": text, "message": text}


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    set_rollback()
    status, text, headers = _status_and_text(error)
    if status >= 500 and not isinstance(error, errors.SmimsoError):
        logger.exception("Unhandled error", exc_info=error)
    return Response(error_body(text), status=status, headers=headers)


def _status_and_text(error: Exception) -> tuple[int, str, dict[str, str]]:
    match error:
        case errors.SmimsoError():
            return error.status, str(error), {}
        case exceptions.ValidationError():
            return 400, first_text(error.detail), {}
        case exceptions.NotAuthenticated():
            return 401, errors.AuthenticationFailed.default, {"WWW-Authenticate": "Bearer"}
        case exceptions.AuthenticationFailed():
            return 401, str(error.detail), {"WWW-Authenticate": "Bearer"}
        case exceptions.Throttled():
            wait = getattr(error, "wait", None)
            headers = {"Retry-After": str(math.ceil(wait))} if wait else {}
            return 429, errors.Overloaded.default, headers
        case exceptions.APIException():
            return error.status_code, first_text(error.detail), {}
        case Http404():
            return 404, errors.NotFound.default, {}
        case PermissionDenied():
            return 403, errors.NotAllowed.default, {}
        case RequestDataTooBig():
            return 413, errors.TooLarge.default, {}
        case SuspiciousOperation():  # a form of a hundred files, a thousand fields
            return 400, errors.InvalidInput.default, {}
        case OperationalError():  # the database is away, or all connections are taken
            return 503, errors.Unavailable.default, {}
    return 500, errors.SmimsoError.default, {}


def first_text(detail: Any, field: str = "") -> str:
    """The first message of DRF's nested error detail, led by its field's name."""
    if isinstance(detail, Mapping):
        name, value = next(iter(detail.items()))
        return first_text(value, "" if name == "non_field_errors" else str(name))
    if isinstance(detail, list):
        return first_text(detail[0], field) if detail else "Invalid input"
    return f"{field}: {detail}" if field else str(detail)


def route_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_page(request):
        return not_found_page(request)
    return JsonResponse(error_body("Route not found"), status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    if wants_page(request):
        return server_error_page()
    return JsonResponse(error_body(errors.SmimsoError.default), status=500)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_page(request):
        return defaults.bad_request(request, exception)  # type: ignore[arg-type]
    return JsonResponse(error_body(errors.InvalidInput.default), status=400)


def not_allowed(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_page(request):
        return defaults.permission_denied(request, exception)  # type: ignore[arg-type]
    return JsonResponse(error_body(errors.NotAllowed.default), status=403)


def with_envelope(request: HttpRequest, response: HttpResponseNotAllowed) -> None:
    """Fills Django's own empty answer to a wrong method, for all but a browser's navigation."""
    if not wants_page(request):
        answer = JsonResponse(error_body(f'Method "{request.method}" not allowed.'))
        response.content = answer.content
        response["Content-Type"] = answer["Content-Type"]
        response["Content-Length"] = str(len(answer.content))
