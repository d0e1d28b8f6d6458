"""Pages: feed, a member's posts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import User
from posts.models import Post, PostQuerySet
from smimso.pages import PageRequest

PAGE_SIZE = 24


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
