"""Pages with a grid of posts: the feed, and the posts that a member saved or liked."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import Category
from accounts.pages.requests import MemberPageRequest
from posts.contributions import contributions_of
from posts.feed import NEWEST_FIRST
from posts.keyset import Cursor, parse_cursor
from posts.models import Like, Post, PostQuerySet, SavedPost
from smimso.web.pages import PageRequest
from smimso.web.paging import page_number

PAGE_SIZE = 24


@require_safe
@vary_on_headers("HX-Request")
def feed(request: PageRequest) -> HttpResponse:
    """Show the newest posts of all categories, or of `?category=slug`."""
    posts, slug = Post.objects.visible_to(request.user), request.GET.get("category", "")
    categories = list(Category.objects.all())
    chosen = next((category for category in categories if category.slug == slug), None)
    if chosen:
        posts = posts.filter(category=chosen)
    elif slug:
        raise Http404
    context = {"categories": categories, "chosen": chosen}
    return render_grid(request, "posts/feed.html", posts, context)


@require_safe
@login_required
@vary_on_headers("HX-Request")
def saved(request: MemberPageRequest) -> HttpResponse:
    page = numbered_page(request, partial(contributions_of, request.user, SavedPost), PAGE_SIZE)
    return _render_own_grid(request, "posts/saved.html", {**page, "kind": "saves"})


@require_safe
@login_required
@vary_on_headers("HX-Request")
def liked(request: MemberPageRequest) -> HttpResponse:
    page = numbered_page(request, partial(contributions_of, request.user, Like), PAGE_SIZE)
    return _render_own_grid(request, "posts/liked.html", {**page, "kind": "likes"})


def _render_own_grid(request: PageRequest, template: str, page: dict[str, object]) -> HttpResponse:
    is_next_part = request.htmx and not page["first"]
    return render(request, "posts/_own_grid.html" if is_next_part else template, page)


def numbered_page(
    request: PageRequest, fetch: Callable[..., tuple[Sequence[object], int]], size: int
) -> dict[str, object]:
    """Return the context of a list with page numbers.

    fetch: called with `page` and `limit`, returns the rows of the page and the total of all pages.
    """
    number = page_number(request.GET)
    rows, total = fetch(page=number, limit=size)
    return {
        "rows": rows,
        "first": number == 1,
        "older": f"page={number + 1}" if number * size < total else "",
    }


def render_grid(
    request: PageRequest,
    template: str,
    posts: PostQuerySet,
    extra_context: Mapping[str, object] | None = None,
) -> HttpResponse:
    """Render a page of a grid with infinite scroll, newest first, after the cursor `?before=`."""
    cursor = parse_cursor(request.GET.get("before", ""))
    if cursor is not None:
        posts = posts.older_than(cursor)
    rows = list(posts.for_display(request.user).order_by(*NEWEST_FIRST)[: PAGE_SIZE + 1])
    page = rows[:PAGE_SIZE]
    context = {
        "posts": page,
        "first": cursor is None,
        "older": _next_page_query(request, page[-1]) if len(rows) > PAGE_SIZE else "",
        **(extra_context or {}),
    }
    partial = request.htmx and cursor is not None
    return render(request, "posts/_grid.html" if partial else template, context)


def _next_page_query(request: PageRequest, last: Post) -> str:
    """Return the query string of the page after `last`, with the same category."""
    query = request.GET.copy()
    query["before"] = str(Cursor(last.created_at, last.pk))
    return query.urlencode()
