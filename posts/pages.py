"""Pages: feed, a member's posts, a post, upload."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers
from rest_framework.exceptions import ValidationError

from accounts.models import Category, User
from posts import services
from posts.models import AIStatus, Post, PostQuerySet, Visibility
from posts.serializers import NewPostSerializer
from smimso.errors import NotFound, SmimsoError
from smimso.http import first_text
from smimso.pages import SERVICE_TEXTS, PageRequest, translated
from smimso.uploads import EXTENSIONS

PAGE_SIZE = 24
UNFINISHED = {AIStatus.PENDING, AIStatus.EMBEDDED}


@require_safe
@vary_on_headers("HX-Request")
def feed(request: PageRequest) -> HttpResponse:
    posts = Post.objects.visible_to(request.user)
    return _grid_page(request, "posts/feed.html", posts)


@require_safe
@vary_on_headers("HX-Request")
def member(request: PageRequest, member_id: UUID) -> HttpResponse:
    author = get_object_or_404(User, pk=member_id, is_active=True)
    posts = Post.objects.visible_to(request.user).filter(user=author)
    return _grid_page(request, "posts/member.html", posts, {"author": author})


@require_safe
def post(request: HttpRequest, post_id: UUID) -> HttpResponse:
    shown = _visible_post(request, post_id)
    return render(request, "posts/post.html", {"post": shown, **_state_of(request, shown)})


@require_safe
@login_required
def ai_state(request: HttpRequest, post_id: UUID) -> HttpResponse:
    """What the AI has done so far; empty (204) while that is what the page knows already."""
    shown = _visible_post(request, post_id)
    if shown.user_id != request.user.pk:
        raise Http404
    state = _state_of(request, shown)
    known = request.GET.get("known")
    if known == state["known"]:
        return HttpResponse(status=204)
    response = render(request, "posts/_ai_state.html", {"post": shown, **state})
    if known:
        response.headers["HX-Trigger"] = "post-changed"  # the post page shows the new caption
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """The form; its script sends to the REST API, a browser without scripts sends here."""
    error = ""
    if request.method == "POST":
        try:
            return redirect("post", _create_post(request).pk)
        except ValidationError as refusal:
            error = first_text(refusal.detail)
        except SmimsoError as refusal:
            error = translated(str(refusal))
    page = {
        "categories": Category.objects.all(),
        "visibilities": Visibility.values,
        "chosen": request.POST,
        "error": error,
        "most_files": settings.UPLOAD_MAX_FILES,
        "most_megabytes": settings.UPLOAD_MAX_BYTES // (1024 * 1024),
        "content_types": [f"image/{name.lower()}" for name in EXTENSIONS],
        "service_texts": {text: gettext(text) for text in SERVICE_TEXTS},
    }
    return render(request, "posts/upload.html", page, status=400 if error else 200)


def _create_post(request: HttpRequest) -> Post:
    form = NewPostSerializer(data=request.POST)
    form.is_valid(raise_exception=True)
    uploads: list[Any] = request.FILES.getlist("images")
    author = cast(User, request.user)
    return services.create_post(author=author, uploads=uploads, **form.validated_data)


def _visible_post(request: HttpRequest, post_id: UUID) -> Post:
    try:
        return services.visible_post(request.user, post_id)
    except NotFound as error:
        raise Http404 from error


def _state_of(request: HttpRequest, shown: Post) -> dict[str, Any]:
    """For the author: what the page knows of the AI's work, and whether there is more to come."""
    states = [image.ai_status for image in shown.images.all()]
    own = shown.user_id == request.user.pk
    return {
        "known": "-".join(states),
        "unfinished": own and bool(UNFINISHED.intersection(states)),
        "state_shown": own and any(state != AIStatus.DONE for state in states),
    }


def _grid_page(
    request: PageRequest, template: str, posts: PostQuerySet, more: dict[str, Any] | None = None
) -> HttpResponse:
    """One page of a grid that goes on as one scrolls, newest first, by the last post's key."""
    last = _post_before(request.GET.get("before", ""))
    if last is not None:
        posts = posts.older_than(last)
    found = list(posts.for_display(request.user).order_by("-created_at", "-id")[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    page = {
        "posts": shown,
        "first": last is None,
        "before": _key(shown[-1]) if len(found) > PAGE_SIZE else "",
    }
    partial = request.htmx and last is not None
    return render(request, "posts/_grid.html" if partial else template, {**page, **(more or {})})


def _key(post: Post) -> str:
    return f"{post.created_at.isoformat()}_{post.pk}"


def _post_before(key: str) -> Post | None:
    """The place that `_key` names, even if the post is gone by now; None for any other text."""
    when, _, post_id = key.partition("_")
    try:
        place = Post(pk=UUID(post_id), created_at=datetime.fromisoformat(when))
    except ValueError:
        return None
    return place if place.created_at.tzinfo else None
