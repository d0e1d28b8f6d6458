"""Pages: search, suggestions, and posts similar to a post."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers
from PIL import Image
from rest_framework.exceptions import ValidationError

from accounts.models import Category
from accounts.profiles import get_active_member
from media.appearance import COLORS
from media.formats import ACCEPTED_TYPES
from media.images import decode_upload
from posts.services import get_visible_post
from posts.visibility import Visibility
from search import services
from search.autocomplete import suggest
from search.rest.serializers import MAX_QUERY_LENGTH, FiltersSerializer, SearchSerializer
from smimso.errors import InvalidInput, NotFound, SmimsoError
from smimso.visible_text import clean_line
from smimso.web.pages import PageRequest, error_text
from smimso.web.throttling import client_key, throttled

PAGE_SIZE = 24
MAX_SIMILAR = 12
FILTERS = tuple(FiltersSerializer().fields)  # each has a control on the page
COLOR_NAMES = {
    "red": gettext_lazy("Red"),
    "orange": gettext_lazy("Orange"),
    "yellow": gettext_lazy("Yellow"),
    "green": gettext_lazy("Green"),
    "teal": gettext_lazy("Teal"),
    "blue": gettext_lazy("Blue"),
    "purple": gettext_lazy("Purple"),
    "pink": gettext_lazy("Pink"),
    "brown": gettext_lazy("Brown"),
    "black": gettext_lazy("Black"),
    "grey": gettext_lazy("Grey"),
    "white": gettext_lazy("White"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
@throttled("ai", reads=True)
def search(request: PageRequest) -> HttpResponse:
    """Show the search page, or its results alone for htmx.

    GET searches by words, a post and filters; visitors may do so, too. POST searches by a picture,
    together with words and filters; it costs more and requires a login.
    """
    given = request.GET if request.method != "POST" else request.POST
    page = _form(request, given)
    if request.method != "POST":
        return _results(request, page, lambda: _search(request, given))
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    return _results(request, {**page, "by_image": True}, lambda: _by_image(request))


@require_safe
def suggestions(request: HttpRequest) -> HttpResponse:
    """Return the suggestions for the search box as options of a list."""
    typed = request.GET.get("q", "").replace("\0", "")[:MAX_QUERY_LENGTH]
    context = {"suggestions": suggest(request.user, typed)}
    return render(request, "search/_options.html", context)


@require_safe
@vary_on_headers("HX-Request")
@throttled("ai", reads=True)
def similar(request: HttpRequest, post_id: UUID) -> HttpResponse:
    try:
        matches = services.similar_posts(request.user, post_id, limit=MAX_SIMILAR)
    except NotFound as error:
        raise Http404 from error
    page = {"matches": matches, "post_id": post_id}
    return render(request, "search/_similar.html", page)


def _form(request: PageRequest, given: QueryDict) -> dict[str, object]:
    """Return the context of the form, which shows the query."""
    chosen = {name: clean_line(given.get(name, "")) for name in FILTERS}
    chosen["author"] = _author_name(chosen["author"])
    return {
        "query": " ".join(clean_line(given.get("q", "")).split()),
        "post_id": given.get("post", ""),
        "chosen": chosen,
        "filtered": sum(map(bool, chosen.values())),
        "categories": Category.objects.all(),
        "visibilities": Visibility.values,
        "colors": [(name, COLOR_NAMES[name]) for name in COLORS],
        "is_next": "cursor" in given,
        "content_types": ACCEPTED_TYPES,
    }


def _author_name(author: str) -> str:
    """Return the name of the member with this id, or the text if it is not an id."""
    try:
        return get_active_member(UUID(author)).full_name
    except (ValueError, NotFound):
        return author


def _search(
    request: PageRequest, given: QueryDict, image: Image.Image | None = None
) -> services.Page | None:
    form = SearchSerializer(data=given)
    form.is_valid(raise_exception=True)
    if cursor := form.validated_data.get("cursor"):
        return services.next_page(request.user, cursor, limit=PAGE_SIZE)
    query = form.query(image)
    if query.is_empty:
        return None
    return services.search(request.user, query, limit=PAGE_SIZE)


def _by_image(request: PageRequest) -> services.Page | None:
    upload = request.FILES.get("image")
    if upload is None:
        raise InvalidInput("image_required")
    return _search(request, request.POST, decode_upload(upload, client_key(request)))


def _results(
    request: PageRequest, page: dict[str, Any], find: Callable[[], services.Page | None]
) -> HttpResponse:
    """Render the page, or its results alone for htmx; errors are shown with their status."""
    status = 200
    try:
        page["results"] = results = find()
        if page["post_id"]:
            page["source"] = get_visible_post(request.user, UUID(page["post_id"]))
        if results and results.cursor:
            page["older"] = _next_query(request, results.cursor)
    except NotFound as error:
        raise Http404 from error
    except SmimsoError as error:
        page["error"], status = str(error), error.status
    except ValidationError as error:
        page["error"], status = error_text(error), error.status_code
    template = "search/_results.html" if request.htmx else "search/search.html"
    if request.htmx and page["is_next"] and status == 200:
        template = "search/_cards.html"
    return render(request, template, page, status=status)


def _next_query(request: PageRequest, cursor: str) -> str:
    """Return the query string of the next page, which keeps what the form shows."""
    given = (request.GET if request.method != "POST" else request.POST).copy()
    given.pop("csrfmiddlewaretoken", None)
    given["cursor"] = cursor
    return given.urlencode()
