"""The envelope of every JSON answer, and the one place where an error becomes a response."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import set_rollback

from smimso import errors
from smimso.web.pages import first_error, render_not_found, render_server_error, wants_page

logger = logging.getLogger(__name__)

MAX_PAGE = 10_000


def success(data: Any = None, message: str | None = None, *, status: int = 200) -> Response:
    body: dict[str, Any] = {"success": True}
    if message is not None:
        body["message"] = message
    return Response({**body, "data": data}, status=status)


def page_response(data: Any, *, page: int, limit: int, total: int) -> Response:
    pagination = {
        "page": page,
        "limit": limit,
        "total": total,
        "totalPages": math.ceil(total / limit),
    }
    return Response({"success": True, "data": data, "pagination": pagination})


def page_and_limit(
    query: Mapping[str, str], *, default: int = 20, max_limit: int = 100
) -> tuple[int, int]:
    """Return `page` and `limit` of a query string; missing, odd and excessive ones are clamped."""
    return page_number(query), limit_of(query, default=default, max_limit=max_limit)


def page_number(query: Mapping[str, str]) -> int:
    return clamp_int(query.get("page"), default=1, min_value=1, max_value=MAX_PAGE)


def limit_of(query: Mapping[str, str], *, default: int = 20, max_limit: int = 100) -> int:
    return clamp_int(query.get("limit"), default=default, min_value=1, max_value=max_limit)


def clamp_int(text: str | None, *, default: int, min_value: int, max_value: int) -> int:
    try:
        number = int(text or default)
    except ValueError:
        number = default
    return max(min_value, min(max_value, number))


def respond_with_page(
    query: Mapping[str, str],
    fetch: Callable[..., tuple[Sequence[Any], int]],
    serializer: type[BaseSerializer],
    *,
    default: int = 20,
) -> Response:
    """Return the page of a list that a query string asks for.

    fetch: called with `page` and `limit`, returns the items of the page and the total of all pages.
    """
    page, limit = page_and_limit(query, default=default)
    items, total = fetch(page=page, limit=limit)
    data = serializer(items, many=True).data
    return page_response(data, page=page, limit=limit, total=total)


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


def handle_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_page(request):
        return render_not_found(request)
    return error_response(errors.NotFound("route_not_found"))


def handle_server_error(request: HttpRequest) -> HttpResponse:
    if wants_page(request):
        return render_server_error()
    return error_response(errors.SmimsoError())


def handle_bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_page(request):
        return defaults.bad_request(request, exception)  # type: ignore[arg-type]
    return error_response(errors.InvalidInput())


def handle_forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_page(request):
        return defaults.permission_denied(request, exception)  # type: ignore[arg-type]
    return error_response(errors.NotAllowed())


def fill_empty_response(request: HttpRequest, response: HttpResponseNotAllowed) -> None:
    """Fills Django's own empty answer to a wrong method, for all but a browser's navigation."""
    if not wants_page(request):
        answer = JsonResponse(error_body(f'Method "{request.method}" not allowed.'))
        response.content = answer.content
        response["Content-Type"] = answer["Content-Type"]
        response["Content-Length"] = str(len(answer.content))
