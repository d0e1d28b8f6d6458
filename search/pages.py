"""Pages: search, and the posts that are similar to one."""

from typing import Any
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from search import services
from search.serializers import TextSearchSerializer
from smimso.errors import InvalidInput, NotFound, SmimsoError
from smimso.pages import PageRequest, translated
from smimso.uploads import decode_upload

MOST_MATCHES = 48
MOST_SIMILAR = 12


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


def _by_text(request: HttpRequest, query: str) -> services.Page | None:
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


def _by_image(request: HttpRequest) -> services.Page:
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
