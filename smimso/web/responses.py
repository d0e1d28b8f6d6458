"""The envelope of every JSON answer, and the one place where an error becomes a response."""

import logging
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from smimso import errors
from smimso.web.pages import first_error, not_found_page, server_error_page, wants_page

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


def error_response(error: errors.SmimsoError) -> JsonResponse:
    """Return the JSON response to an error, for views outside of the REST framework."""
    body = error_body(error.in_english())
    return JsonResponse(body, status=error.status, headers=_code_headers(error))


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    set_rollback()
    known = error if isinstance(error, errors.SmimsoError) else _as_smimso_error(error)
    if known.status >= 500 and known is not error:
        logger.exception("Unhandled error", exc_info=error)
    headers = _code_headers(known)
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, exceptions.Throttled) and (wait := getattr(error, "wait", None)):
        headers["Retry-After"] = str(math.ceil(wait))
    return Response(error_body(known.in_english()), status=known.status, headers=headers)


def _code_headers(error: errors.SmimsoError) -> dict[str, str]:
    """`Error-Code`, and the values in the text as a query string in `Error-Parameters`."""
    headers = {"Error-Code": error.code}
    if error.params:
        headers["Error-Parameters"] = urlencode(error.params)
    return headers


def _as_smimso_error(error: Exception) -> errors.SmimsoError:
    match error:
        case exceptions.NotAuthenticated():
            return errors.AuthenticationFailed()
        case exceptions.Throttled():
            return errors.Overloaded()
        case exceptions.APIException():
            return _of_the_framework(error)
        case Http404():
            return errors.NotFound()
        case PermissionDenied():
            return errors.NotAllowed()
        case RequestDataTooBig():
            return errors.TooLarge()
        case SuspiciousOperation():  # a form of a hundred files, a thousand fields
            return errors.InvalidInput()
        case OperationalError():  # the database is away, or all connections are taken
            return errors.Unavailable()
    return errors.SmimsoError()


def _of_the_framework(error: exceptions.APIException) -> errors.SmimsoError:
    """DRF has translated the text when it raised the error, and knows no codes of ours."""
    field, message = first_error(error.detail)
    codes = error.get_codes()
    known = errors.SmimsoError(
        codes if isinstance(codes, str) else "validation_failed",
        text=(f"{field}: {message}" if field else message) or errors.InvalidInput().in_english(),
    )
    known.status = error.status_code
    return known


def route_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_page(request):
        return not_found_page(request)
    return error_response(errors.NotFound("route_not_found"))


def server_error(request: HttpRequest) -> HttpResponse:
    if wants_page(request):
        return server_error_page()
    return error_response(errors.SmimsoError())


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_page(request):
        return defaults.bad_request(request, exception)  # type: ignore[arg-type]
    return error_response(errors.InvalidInput())


def not_allowed(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_page(request):
        return defaults.permission_denied(request, exception)  # type: ignore[arg-type]
    return error_response(errors.NotAllowed())


def with_envelope(request: HttpRequest, response: HttpResponseNotAllowed) -> None:
    """Fills Django's own empty answer to a wrong method, for all but a browser's navigation."""
    if not wants_page(request):
        answer = JsonResponse(error_body(f'Method "{request.method}" not allowed.'))
        response.content = answer.content
        response["Content-Type"] = answer["Content-Type"]
        response["Content-Length"] = str(len(answer.content))
