"""What members do on the pages of posts: like, save, comment.

Each is a form that works by itself; htmx replaces only the part that changes.
"""

from typing import cast
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.http import require_safe
from rest_framework.exceptions import ValidationError

from accounts.models import User
from posts import interactions, services
from posts.models import Comment
from posts.pages.post import comment_context, get_post_or_404, render_post
from posts.rest.serializers import NewCommentSerializer
from smimso.errors import InvalidInput
from smimso.web.pages import PageRequest, error_text, member_action


@member_action("post", "post_id")
def like(request: PageRequest, post_id: UUID) -> HttpResponse:
    """Also takes it back: the form says which of the two."""
    wanted = request.POST.get("on") != "0"
    change = interactions.like_post if wanted else interactions.unlike_post
    change(user=request.user, post_id=post_id)
    return _button(request, "posts/_like.html", post_id)


@member_action("post", "post_id")
def save(request: PageRequest, post_id: UUID) -> HttpResponse:
    wanted = request.POST.get("on") != "0"
    change = interactions.save_post if wanted else interactions.unsave_post
    change(user=request.user, post_id=post_id)
    return _button(request, "posts/_save.html", post_id)


@require_safe
def comments(request: PageRequest, post_id: UUID) -> HttpResponse:
    """The part of the post's page alone, with the form made a reply to `reply`."""
    thread = comment_context(
        request, get_post_or_404(request, post_id), reply_to=request.GET.get("reply", "")
    )
    return render(request, "posts/_comments.html", thread)


@member_action("post", "post_id")
def add_comment(request: PageRequest, post_id: UUID) -> HttpResponse:
    try:
        comment = _new_comment(request, post_id)
    except (InvalidInput, ValidationError) as refusal:
        return _refused_comment(request, post_id, refusal)
    if not request.htmx:
        return redirect(f"{resolve_url('post', post_id)}#comment-{comment.pk}")
    thread = comment_context(request, get_post_or_404(request, post_id))
    return render(request, "posts/_comments.html", {**thread, "added": comment})


@member_action("post", "post_id")
def delete_comment(request: PageRequest, post_id: UUID, comment_id: UUID) -> HttpResponse:
    interactions.delete_comment(user=request.user, post_id=post_id, comment_id=comment_id)
    if not request.htmx:
        return redirect(f"{resolve_url('post', post_id)}#comments")
    thread = comment_context(request, get_post_or_404(request, post_id))
    return render(request, "posts/_comments.html", {**thread, "removed": True})


def _button(request: PageRequest, template: str, post_id: UUID) -> HttpResponse:
    if not request.htmx:
        return redirect("post", post_id)
    return render(request, template, {"post": services.get_visible_post(request.user, post_id)})


def _new_comment(request: PageRequest, post_id: UUID) -> Comment:
    form = NewCommentSerializer(data=request.POST)
    form.is_valid(raise_exception=True)
    author = cast(User, request.user)
    return interactions.add_comment(user=author, post_id=post_id, **form.validated_data)


def _refused_comment(
    request: PageRequest, post_id: UUID, refusal: InvalidInput | ValidationError
) -> HttpResponse:
    form = {
        "reply_to": request.POST.get("parent_comment_id", ""),
        "text": request.POST.get("content", ""),
        "error": error_text(refusal),
    }
    shown = get_post_or_404(request, post_id)
    if not request.htmx:
        return render_post(request, shown, status=400, **form)
    return render(
        request, "posts/_comments.html", comment_context(request, shown, **form), status=400
    )
