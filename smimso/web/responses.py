"""The envelope of all JSON responses, and the one place that turns errors into responses."""

import logging
import math
from collections.abc import Mapping
from urllib.parse import urlencode

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from smimso import errors
from smimso.web.pages import (
    first_error,
    render_bad_request,
    render_not_found,
    render_server_error,
    wants_page,
)

logger = logging.getLogger(__name__)


def success(data: object = None, message: str | None = None, *, status: int = 200) -> Response:
    body: dict[str, object] = {"success": True}
    if message is not None:
        body["message"] = message
    return Response({**body, "data": data}, status=status)


# --- Errors -----------------------------------------------------------------------------------


def error_body(text: str) -> dict[str, object]:
    """Return the envelope of an error; the frontend reads `error` or `message`."""
    return {"success": False, "error": text, "message": text}


def error_response(error: errors.SmimsoError) -> JsonResponse:
    """Return the JSON response to an error, for views outside of the REST framework."""
    body = error_body(error.in_english())
    return JsonResponse(body, status=error.status, headers=_code_headers(error))


def exception_handler(error: Exception, context: Mapping[str, object]) -> Response:
    """Return the response to any error of a REST view; unexpected ones are logged."""
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
    """Return the headers that tell a program what went wrong.

    `Error-Parameters` is a query string with the values in the text.
    """
    headers = {"Error-Code": error.code}
    if error.params:
        headers["Error-Parameters"] = urlencode(error.params)
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return headers


def _as_smimso_error(error: Exception) -> errors.SmimsoError:
    match error:
        case exceptions.NotAuthenticated():
            return errors.AuthenticationFailed()
        case exceptions.Throttled():
            return errors.Overloaded()
        case exceptions.APIException():
            return _from_rest_framework(error)
        case Http404():
            return errors.NotFound()
        case PermissionDenied():
            return errors.NotAllowed()
        case RequestDataTooBig():
            return errors.TooLarge()
        case SuspiciousOperation():  # a form of a hundred files, a thousand fields
            return errors.InvalidInput()
        case DataError() | ValidationError():  # MALFORMED: a value that no serializer refused
            logger.warning("Malformed request", exc_info=error)
            return errors.InvalidInput()
        case OperationalError():  # the database is unreachable, or all connections are in use
            return errors.Unavailable()
    return errors.SmimsoError()


def _from_rest_framework(error: exceptions.APIException) -> errors.SmimsoError:
    """Return the error with DRF's code and with its text, which is translated already."""
    field, message = first_error(error.detail)
    codes = error.get_codes()
    known = errors.SmimsoError(
        codes if isinstance(codes, str) else "validation_failed",
        text=(f"{field}: {message}" if field else message) or errors.InvalidInput().in_english(),
    )
    known.status = error.status_code
    return known


# --- Outside of the REST framework: a page for browsers, the envelope for programs ------------


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
        return render_bad_request()
    return error_response(errors.InvalidInput())


def bad_request_for(request: HttpRequest, error: Exception) -> HttpResponse:
    """Log an error about a value of the request, and return the response."""
    logger.warning("Malformed request to %s", request.path, exc_info=error)
    return handle_bad_request(request)


def handle_forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if wants_page(request):
        return defaults.permission_denied(request, exception)  # type: ignore[arg-type]
    return error_response(errors.NotAllowed())


def fill_method_not_allowed(request: HttpRequest, response: HttpResponseNotAllowed) -> None:
    """Put the envelope into Django's empty response, unless a browser navigates."""
    if not wants_page(request):
        body = JsonResponse(error_body(f'Method "{request.method}" not allowed.'))
        response.content = body.content
        response["Content-Type"] = body["Content-Type"]
        response["Content-Length"] = str(len(body.content))
