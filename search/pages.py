"""Pages: search, and the posts that are similar to one."""

from typing import Any, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import User
from search import for_you, services
from search.serializers import TextSearchSerializer
from smimso.errors import InvalidInput, NotFound, SmimsoError
from smimso.http import clamped_int
from smimso.pages import PageRequest, action, translated
from smimso.uploads import decode_upload

MOST_MATCHES = 48
MOST_SIMILAR = 12
FOR_YOU_PAGE = 24


@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def search(request: PageRequest) -> HttpResponse:
    """GET: by the words in `q`, also for visitors. POST: by a picture, which costs more."""
    if request.method != "POST":
        query = " ".join(request.GET.get("q", "").split())
        return _results(request, {"query": query}, lambda: _by_text(request, query))
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    return _results(request, {"by_image": True}, lambda: _by_image(request))


@require_safe
def similar(request: HttpRequest, post_id: UUID) -> HttpResponse:
    try:
        matches = services.similar_posts(request.user, post_id, limit=MOST_SIMILAR)
    except NotFound as error:
        raise Http404 from error
    return render(request, "search/_similar.html", {"matches": matches})


@require_safe
@login_required
@vary_on_headers("HX-Request")
def recommended(request: PageRequest) -> HttpResponse:
    number = clamped_int(request.GET.get("page"), default=1, least=1, most=10_000)
    found, total = for_you.for_you(cast(User, request.user), page=number, limit=FOR_YOU_PAGE)
    page = {
        "recommendations": found,
        "first": number == 1,
        "older": f"page={number + 1}" if number * FOR_YOU_PAGE < total else "",
        "forgotten": "forgotten" in request.GET,
    }
    partial = request.htmx and number > 1
    template = "search/_for_you_grid.html" if partial else "search/for_you.html"
    return render(request, template, page)


@action("for-you")
def forget_taste(request: PageRequest) -> HttpResponse:
    for_you.forget_taste(cast(User, request.user))
    return redirect(f"{reverse('for-you')}?forgotten=1")


def _by_text(request: HttpRequest, query: str) -> services.Matches | None:
    if not query:
        return None
    form = TextSearchSerializer(data={"query": query})
    if not form.is_valid():
        raise InvalidInput(str(form.errors["query"][0]))
    return services.search_text(
        request.user,
        form.validated_data["query"],
        limit=MOST_MATCHES,
        least_score=services.TEXT_SCORE,
    )


def _by_image(request: HttpRequest) -> services.Matches:
    picture: Any = request.FILES.get("image")
    if picture is None:
        raise InvalidInput("Image file is required")
    return services.search_image(
        request.user, decode_upload(picture), limit=MOST_MATCHES, least_score=services.IMAGE_SCORE
    )


def _results(request: PageRequest, page: dict[str, Any], find: Any) -> HttpResponse:
    """The whole page, or its results for htmx; an error has its status and a text in both."""
    status = 200
    try:
        page["found"] = find()
    except SmimsoError as error:
        page["error"], status = translated(str(error)), error.status
    template = "search/_results.html" if request.htmx else "search/search.html"
    return render(request, template, page, status=status)
