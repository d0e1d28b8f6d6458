"""Forms on the pages of posts: like, save, comment.

Each works without scripts; with htmx, only the part that changes is replaced.
"""

from contextlib import suppress
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect
from rest_framework.exceptions import ValidationError

from accounts.pages.requests import MemberPageRequest
from posts import interactions, services
from posts.models import Comment, Post
from posts.pages.post import comment_context, get_post_or_404, render_post
from posts.rest.serializers import NewCommentSerializer
from smimso.errors import InvalidInput, NotFound
from smimso.web.idempotency_key import form_key
from smimso.web.pages import PageRequest, error_text, member_action


@member_action("post", "post_id")
def like(request: MemberPageRequest, post_id: UUID) -> HttpResponse:
    """Like the post, or unlike it if the form has `on=0`."""
    turn_on = request.POST.get("on") != "0"
    change = interactions.like_post if turn_on else interactions.unlike_post
    change(user=request.user, post_id=post_id)
    return _render_button(request, "posts/_like.html", post_id, own_list="liked")


@member_action("post", "post_id")
def save(request: MemberPageRequest, post_id: UUID) -> HttpResponse:
    """Save the post, or unsave it if the form has `on=0`."""
    turn_on = request.POST.get("on") != "0"
    change = interactions.save_post if turn_on else interactions.unsave_post
    change(user=request.user, post_id=post_id)
    return _render_button(request, "posts/_save.html", post_id, own_list="saved")


@require_safe
def comments(request: PageRequest, post_id: UUID) -> HttpResponse:
    """Show only the comments of a post, with a form that replies to `?reply=`."""
    post = get_post_or_404(request, post_id)
    context = comment_context(request, post, reply_to=request.GET.get("reply", ""))
    return render(request, "posts/_comments.html", context)


@member_action("post", "post_id")
def add_comment(request: MemberPageRequest, post_id: UUID) -> HttpResponse:
    try:
        comment = _create_comment(request, post_id)
    except (InvalidInput, ValidationError) as refusal:
        return _render_refusal(request, post_id, refusal)
    if not request.htmx:
        return redirect(f"{resolve_url('post', post_id)}#comment-{comment.pk}")
    context = comment_context(request, get_post_or_404(request, post_id))
    return render(request, "posts/_comments.html", {**context, "added": comment})


@member_action("post", "post_id")
def delete_comment(request: MemberPageRequest, post_id: UUID, comment_id: UUID) -> HttpResponse:
    interactions.delete_comment(user=request.user, post_id=post_id, comment_id=comment_id)
    post = _find_post(request, post_id)
    if post is None:
        return _leave(request, "own-comments")
    if not request.htmx:
        return redirect(f"{resolve_url('post', post_id)}#comments")
    context = comment_context(request, post)
    return render(request, "posts/_comments.html", {**context, "removed": True})


def _render_button(
    request: PageRequest, template: str, post_id: UUID, *, own_list: str
) -> HttpResponse:
    post = _find_post(request, post_id)
    if post is None:
        return _leave(request, own_list)
    return render(request, template, {"post": post}) if request.htmx else redirect("post", post_id)


def _find_post(request: PageRequest, post_id: UUID) -> Post | None:
    """Return the post, or None if it was hidden from the member since the page was opened."""
    with suppress(NotFound):
        return services.get_visible_post(request.user, post_id)
    return None


def _leave(request: PageRequest, own_list: str) -> HttpResponse:
    """Go to the member's own list from the page of a post that is hidden now."""
    url = resolve_url(own_list)
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def _create_comment(request: MemberPageRequest, post_id: UUID) -> Comment:
    form = NewCommentSerializer(data=request.POST)
    form.is_valid(raise_exception=True)
    return interactions.add_comment(
        user=request.user,
        post_id=post_id,
        request_key=form_key(request),
        **form.validated_data,
    )


def _render_refusal(
    request: PageRequest, post_id: UUID, refusal: InvalidInput | ValidationError
) -> HttpResponse:
    form = {
        "reply_to": request.POST.get("parent_comment_id", ""),
        "text": request.POST.get("content", ""),
        "error": error_text(refusal),
    }
    post = get_post_or_404(request, post_id)
    if not request.htmx:
        return render_post(request, post, status=400, **form)
    context = comment_context(request, post, **form)
    return render(request, "posts/_comments.html", context, status=400)
