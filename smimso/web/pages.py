"""Helpers for the pages of all apps: members' actions, error texts, error pages."""

from collections.abc import Callable, Mapping
from functools import wraps

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails
from rest_framework.exceptions import ValidationError

from smimso.errors import InvalidInput, NotAllowed, NotFound, SmimsoError

PageView = Callable[..., HttpResponse]

# Labels shown before the message when a REST serializer checks a form of a page.
FIELD_LABELS = {
    "title": gettext_lazy("Title"),
    "description": gettext_lazy("Description"),
    "category": gettext_lazy("Category"),
    "category_id": gettext_lazy("Category"),
    "tags": gettext_lazy("Tags"),
    "visibility": gettext_lazy("Visible to"),
    "user_caption": gettext_lazy("Caption of this picture"),
    "content": pgettext_lazy("verb", "Comment"),
    "author": gettext_lazy("Author"),
    "orientation": gettext_lazy("Shape"),
    "since": pgettext_lazy("a day", "From"),
    "until": pgettext_lazy("a day", "To"),
    "sort": gettext_lazy("Order"),
    "color": gettext_lazy("Colour"),
}


class PageRequest(HttpRequest):
    """A request with the attribute that the middleware of django-htmx adds."""

    htmx: HtmxDetails


def member_action(page: str, *keys: str) -> Callable[[PageView], PageView]:
    """Decorate a view that changes something, so that it is called only for a member's POST.

    Visitors are sent to the login and from there to the page `page`, with the arguments of the
    route named `keys`. NotFound and NotAllowed both become 404, so that nobody can tell hidden
    objects from missing ones.
    """

    def decorate(view: PageView) -> PageView:
        @wraps(view)
        def check_member(request: PageRequest, **route: object) -> HttpResponse:
            if not request.user.is_authenticated:
                login = redirect_to_login(resolve_url(page, *[route[key] for key in keys]))
                return HttpResponseClientRedirect(login.url) if request.htmx else login
            try:
                return view(request, **route)
            except (NotFound, NotAllowed) as error:
                raise Http404 from error

        return require_POST(check_member)

    return decorate


def error_text(error: SmimsoError | ValidationError) -> str:
    """Return the error in the active language; a field's error begins with the field's label."""
    if isinstance(error, SmimsoError):
        return str(error)
    message = first_error(error.detail)[1] or str(InvalidInput())
    name = next(iter(error.detail), "") if isinstance(error.detail, Mapping) else ""
    return f"{FIELD_LABELS[name]}: {message}" if name in FIELD_LABELS else message


def first_error(detail: object, field: str = "") -> tuple[str, str]:
    """Return the first message of DRF's nested error detail, after the name of its field.

    The name is the innermost one, "" for an error of the form as a whole.
    """
    if isinstance(detail, Mapping) and detail:
        name, value = next(iter(detail.items()))
        return first_error(value, "" if name == "non_field_errors" else str(name))
    if isinstance(detail, list) and detail:
        return first_error(detail[0], field)
    return field, str(detail or "")


def wants_page(request: HttpRequest) -> bool:
    """Return True for the navigation of a browser, False for a program that expects JSON."""
    return not request.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")


def render_not_found(request: HttpRequest) -> HttpResponse:
    return render(request, "404.html", status=404)


def render_bad_request() -> HttpResponse:
    """Render without the request, which has malformed values."""
    return HttpResponse(render_to_string("400.html"), status=400)


def render_server_error() -> HttpResponse:
    """Render without the request: the failure may be that of the session or the database."""
    return HttpResponse(render_to_string("500.html"), status=500)
