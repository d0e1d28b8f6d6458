"""Refusal of requests with values that no column can hold: status 400 instead of 500."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import wraps
from itertools import chain

from django.core.exceptions import BadRequest, ValidationError
from django.db import DataError, transaction
from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]

# Raised by Django and PostgreSQL for a value of another type or outside of a column's range. Forms
# and serializers handle it, so where it escapes a view, nobody had checked the value.
MALFORMED = (DataError, ValidationError)


def check_cookies(request: HttpRequest) -> None:
    """Raise BadRequest for a cookie with NUL, which looking up the session would fail on."""
    # Cheap, as every request comes here: in a cookie's value, NUL is "\000".
    header = request.META.get("HTTP_COOKIE", "")
    if "\0" in header or "\\000" in header:
        raise BadRequest("NUL in a cookie")


def refuse_malformed(view: View) -> View:
    """Decorate a view that passes values of the request to Django or the database unchecked."""

    @wraps(view)
    def checked(request: HttpRequest, *args: object, **route: object) -> HttpResponseBase:
        _check_values(request, route.values())
        try:
            # A failed query must not break a transaction that is running already.
            with transaction.atomic() if request.method == "GET" else nullcontext():
                return _render(view(request, *args, **route))
        except MALFORMED as error:
            raise BadRequest("Malformed value") from error  # Django logs it with its cause

    return checked


def _check_values(request: HttpRequest, route: Iterable[object]) -> None:
    """Raise BadRequest for NUL in the path, the query or the form: PostgreSQL has no such text."""
    if any("\0" in str(value) for value in chain([request.path], route, _fields(request))):
        raise BadRequest("NUL in a value")


def _fields(request: HttpRequest) -> Iterator[str]:
    for fields in (request.GET, request.POST):
        for name, values in fields.lists():
            yield name
            yield from values


def _render(response: HttpResponseBase) -> HttpResponseBase:
    """Render now what Django would render later, because that evaluates queries."""
    render = getattr(response, "render", None)
    return render() if callable(render) else response
