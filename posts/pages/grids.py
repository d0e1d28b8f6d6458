"""Pages that are grids of posts: the feed, and the posts a member saved or liked."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import Category
from posts import feed as lists
from posts.keyset import Cursor, parse_cursor
from posts.models import Post, PostQuerySet
from smimso.web.pages import PageRequest
from smimso.web.paging import page_number

PAGE_SIZE = 24


@require_safe
@vary_on_headers("HX-Request")
def feed(request: PageRequest) -> HttpResponse:
    """All categories, or the one of `?category=slug`."""
    posts, slug = Post.objects.visible_to(request.user), request.GET.get("category", "")
    categories = list(Category.objects.all())
    chosen = next((category for category in categories if category.slug == slug), None)
    if chosen:
        posts = posts.filter(category=chosen)
    elif slug:
        raise Http404
    more = {"categories": categories, "chosen": chosen}
    return render_grid(request, "posts/feed.html", posts, more)


@require_safe
@login_required
@vary_on_headers("HX-Request")
def saved(request: PageRequest) -> HttpResponse:
    return _list_page(request, "posts/saved.html", lists.saved_posts)


@require_safe
@login_required
@vary_on_headers("HX-Request")
def liked(request: PageRequest) -> HttpResponse:
    return _list_page(request, "posts/liked.html", lists.liked_posts)


def _list_page(
    request: PageRequest, template: str, fetch: Callable[..., tuple[list[Post], int]]
) -> HttpResponse:
    """One page of the member's own list, in the order in which it was made."""
    number = page_number(request.GET)
    posts, total = fetch(request.user, page=number, limit=PAGE_SIZE)
    page = {
        "posts": posts,
        "first": number == 1,
        "older": f"page={number + 1}" if number * PAGE_SIZE < total else "",
    }
    partial = request.htmx and number > 1
    return render(request, "posts/_grid.html" if partial else template, page)


def render_grid(
    request: PageRequest, template: str, posts: PostQuerySet, more: dict[str, Any] | None = None
) -> HttpResponse:
    """One page of a grid that goes on as one scrolls, newest first, by the last post's key."""
    last = parse_cursor(request.GET.get("before", ""))
    if last is not None:
        posts = posts.older_than(last)
    found = list(posts.for_display(request.user).order_by("-created_at", "-id")[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    page = {
        "posts": shown,
        "first": last is None,
        "older": _query(request, shown[-1]) if len(found) > PAGE_SIZE else "",
    }
    partial = request.htmx and last is not None
    return render(request, "posts/_grid.html" if partial else template, {**page, **(more or {})})


def _query(request: PageRequest, last: Post) -> str:
    """Of the page that goes on after `last`, with the same category."""
    query = request.GET.copy()
    query["before"] = str(Cursor(last.created_at, last.pk))
    return query.urlencode()
