"""Pages: a post, and what the AI has done with it."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from posts import interactions, services, view_counter
from posts.models import AIStatus, Comment, Post
from smimso.errors import NotFound

UNFINISHED = {AIStatus.PENDING, AIStatus.EMBEDDED}


class CommentRow(NamedTuple):
    comment: Comment
    parent: Comment | None  # what it replies to
    deletable: bool


@require_safe
def post(request: HttpRequest, post_id: UUID) -> HttpResponse:
    shown = get_post_or_404(request, post_id)
    opened = request.method == "GET" and not _is_reload(request)
    if opened and request.user.is_authenticated:
        view_counter.record_view(user=request.user, post=shown)
    return render_post(request, shown, reply_to=request.GET.get("reply", ""))


@require_safe
@login_required
def ai_state(request: HttpRequest, post_id: UUID) -> HttpResponse:
    """What the AI has done so far; empty (204) while that is what the page knows already."""
    shown = get_own_post_or_404(request, post_id)
    state = _ai_context(request, shown)
    known = request.GET.get("known")
    if known == state["known"]:
        return HttpResponse(status=204)
    response = render(request, "posts/_ai_state.html", {"post": shown, **state})
    if known:
        response.headers["HX-Trigger"] = "post-changed"  # the post page shows the new caption
    return response


def get_post_or_404(request: HttpRequest, post_id: UUID) -> Post:
    try:
        return services.get_visible_post(request.user, post_id)
    except NotFound as error:
        raise Http404 from error


def get_own_post_or_404(request: HttpRequest, post_id: UUID) -> Post:
    shown = get_post_or_404(request, post_id)
    if shown.user_id != request.user.pk:
        raise Http404
    return shown


def render_post(
    request: HttpRequest, shown: Post, *, status: int = 200, **thread: Any
) -> HttpResponse:
    page = {**_ai_context(request, shown), **comment_context(request, shown, **thread)}
    return render(request, "posts/post.html", page, status=status)


def comment_context(
    request: HttpRequest, shown: Post, *, reply_to: str = "", text: str = "", error: str = ""
) -> dict[str, Any]:
    """The comments, flat and oldest first, and the form for one more."""
    comments = {str(row.pk): row for row in interactions.comments_of(request.user, shown.pk)}
    viewer = request.user.pk
    return {
        "post": shown,
        "thread": [
            CommentRow(
                comment,
                comments.get(str(comment.parent_comment_id)),
                viewer is not None and viewer in (comment.user_id, shown.user_id),
            )
            for comment in comments.values()
        ],
        "answered": comments.get(reply_to),
        "text": text,
        "error": error,
    }


def _is_reload(request: HttpRequest) -> bool:
    """Whether the page was open already: a reload, or back from a form on it."""
    return urlsplit(request.headers.get("Referer", "")).path.startswith(request.path)


def _ai_context(request: HttpRequest, shown: Post) -> dict[str, Any]:
    """For the author: what the page knows of the AI's work, and whether there is more to come."""
    states = [image.ai_status for image in shown.images.all()]
    own = shown.user_id == request.user.pk
    return {
        "known": "-".join(states),
        "unfinished": own and bool(UNFINISHED.intersection(states)),
        "state_shown": own and any(state != AIStatus.DONE for state in states),
    }
