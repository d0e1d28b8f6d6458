"""The page of a post, and the progress of its AI processing."""

from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from posts import interactions, services, view_counter
from posts.models import UNFINISHED, AIStatus, Comment, Post
from smimso.errors import NotFound
from smimso.web.idempotency_key import new_form_key


class CommentRow(NamedTuple):
    comment: Comment
    parent: Comment | None
    can_delete: bool


@require_safe
def post(request: HttpRequest, post_id: UUID) -> HttpResponse:
    post = get_post_or_404(request, post_id)
    is_view = request.method == "GET" and not _is_reload(request)
    if is_view and request.user.is_authenticated:
        view_counter.record_view(user=request.user, post=post)
    return render_post(request, post, reply_to=request.GET.get("reply", ""))


@require_safe
@login_required
def ai_state(request: HttpRequest, post_id: UUID) -> HttpResponse:
    """Show the progress of the AI; answer 204 if the page already shows it (`?known=`)."""
    post = get_own_post_or_404(request, post_id)
    context = _ai_context(request, post)
    known = request.GET.get("known")
    if known == context["known"]:
        return HttpResponse(status=204)
    response = render(request, "posts/_ai_state.html", {"post": post, **context})
    if known:
        response.headers["HX-Trigger"] = "post-changed"  # makes the page load the new caption
    return response


def get_post_or_404(request: HttpRequest, post_id: UUID) -> Post:
    try:
        return services.get_visible_post(request.user, post_id)
    except NotFound as error:
        raise Http404 from error


def get_own_post_or_404(request: HttpRequest, post_id: UUID) -> Post:
    post = get_post_or_404(request, post_id)
    if post.user_id != request.user.pk:
        raise Http404
    return post


def render_post(
    request: HttpRequest, post: Post, *, status: int = 200, **comment_form: str
) -> HttpResponse:
    context = {**_ai_context(request, post), **comment_context(request, post, **comment_form)}
    return render(request, "posts/post.html", context, status=status)


def comment_context(
    request: HttpRequest, post: Post, *, reply_to: str = "", text: str = "", error: str = ""
) -> dict[str, object]:
    """Return the comments, flat and oldest first, and the state of the comment form.

    reply_to: id of the parent comment. text, error: of a comment that was refused.
    """
    comments = {str(row.pk): row for row in interactions.comments_of(request.user, post.pk)}
    user_id = request.user.pk
    return {
        "post": post,
        "thread": [
            CommentRow(
                comment,
                comments.get(str(comment.parent_comment_id)),
                user_id is not None and user_id in (comment.user_id, post.user_id),
            )
            for comment in comments.values()
        ],
        "request_key": new_form_key(),
        "reply_to": comments.get(reply_to),
        "text": text,
        "error": error,
    }


def _is_reload(request: HttpRequest) -> bool:
    """Return True if the user comes from this page: by a reload, or from a form on it."""
    return urlsplit(request.headers.get("Referer", "")).path.startswith(request.path)


def _ai_context(request: HttpRequest, post: Post) -> dict[str, object]:
    """Return the state that the page shows of the AI, and if its author should poll for more."""
    states = [image.ai_status for image in post.images.all()]
    is_own = post.user_id == request.user.pk
    return {
        "known": "-".join(states),
        "unfinished": is_own and bool(UNFINISHED.intersection(states)),
        "show_ai_state": is_own and any(state != AIStatus.DONE for state in states),
    }
