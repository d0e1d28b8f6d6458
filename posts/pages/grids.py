"""Pages with a grid of posts: the feed, and the posts that a member saved or liked."""

from collections.abc import Callable, Mapping

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import Category
from posts.feed import NEWEST_FIRST, liked_posts, saved_posts
from posts.keyset import Cursor, parse_cursor
from posts.models import Post, PostQuerySet
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
def saved(request: PageRequest) -> HttpResponse:
    return _list_page(request, "posts/saved.html", saved_posts)


@require_safe
@login_required
@vary_on_headers("HX-Request")
def liked(request: PageRequest) -> HttpResponse:
    return _list_page(request, "posts/liked.html", liked_posts)


def _list_page(
    request: PageRequest, template: str, fetch: Callable[..., tuple[list[Post], int]]
) -> HttpResponse:
    """Render a page of the member's own list, by page number."""
    number = page_number(request.GET)
    posts, total = fetch(request.user, page=number, limit=PAGE_SIZE)
    context = {
        "posts": posts,
        "first": number == 1,
        "older": f"page={number + 1}" if number * PAGE_SIZE < total else "",
    }
    partial = request.htmx and number > 1
    return render(request, "posts/_grid.html" if partial else template, context)


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
