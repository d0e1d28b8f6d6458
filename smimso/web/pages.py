"""What the pages of every app share: the members' language, and the answer to a lost browser."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.template.loader import render_to_string
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from smimso.errors import NotAllowed, NotFound

# What services say, in the words that a page may show. A number stands as %(number)s.
SERVICE_TEXTS = (
    gettext_noop("Invalid credentials"),
    gettext_noop("Account is deactivated"),
    gettext_noop("User with this email or phone already exists"),
    gettext_noop("The password is not correct"),
    gettext_noop("Enter a valid phone number"),
    gettext_noop("This phone number is already in use"),
    gettext_noop("This service is not available at the moment"),
    gettext_noop("At least one image is required"),
    gettext_noop("The category does not exist"),
    gettext_noop("Image file is required"),
    gettext_noop("Title is required"),
    gettext_noop("Comment content is required"),
    gettext_noop("The comment that is replied to is not one of this post"),
    gettext_noop("Too many files. Maximum %(number)s files allowed"),
    gettext_noop("File size exceeds the maximum limit of %(number)sMB"),
    gettext_noop("The image is too large. At most %(number)s megapixels are allowed"),
    gettext_noop("The file is not a readable image. Only JPEG, PNG, WebP, and GIF are allowed."),
    gettext_noop("The AI is not available at the moment. Please try again later."),
    gettext_noop("Too many requests. Please try again later."),
    gettext_noop("The request is too large"),
    gettext_noop("The cursor is not valid"),
    gettext_noop("The search has expired. Please search again."),
    gettext_noop("Internal server error"),
)


class PageRequest(HttpRequest):
    """As the middleware of django-htmx hands it on."""

    htmx: HtmxDetails


def action(page: str, *keys: str) -> Callable[[Callable[..., HttpResponse]], Any]:
    """Makes a view that changes something: only a member's POST reaches it.

    Others log in first and come back to the named page, whose arguments are the route's `keys`.
    What the member may not see or do looks like what does not exist.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Any:
        @wraps(view)
        def checked(request: PageRequest, **route: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                login = redirect_to_login(resolve_url(page, *[route[key] for key in keys]))
                return HttpResponseClientRedirect(login.url) if request.htmx else login
            try:
                return view(request, **route)
            except (NotFound, NotAllowed) as error:
                raise Http404 from error

        return require_POST(checked)

    return decorate


def translated(text: str) -> str:
    """A text of SERVICE_TEXTS in the viewer's language; any other text as it is."""
    number = re.search(r"\d+", text)
    if number is None:
        return gettext(text) if text in SERVICE_TEXTS else text
    pattern = f"{text[: number.start()]}%(number)s{text[number.end() :]}"
    return gettext(pattern) % {"number": number[0]} if pattern in SERVICE_TEXTS else text


def wants_page(request: HttpRequest) -> bool:
    """Whether a browser's navigation asks, and not a program for JSON."""
    return not request.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")


def not_found_page(request: HttpRequest) -> HttpResponse:
    return render(request, "404.html", status=404)


def server_error_page() -> HttpResponse:
    """Without the request: what failed may be the session or the database."""
    return HttpResponse(render_to_string("500.html"), status=500)
