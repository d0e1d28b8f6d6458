"""Lists of posts, page by page: only what the viewer may see, in a constant number of queries."""

from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import transaction

from accounts.models import Follow, User
from posts.full_text import filter_by_words
from posts.models import Post, PostQuerySet
from smimso.errors import NotFound

NEWEST_FIRST = ("-created_at", "-id")
_PUBLIC = "feed:public"
_PUBLIC_SECONDS = 30


def list_feed(
    viewer: Any, *, page: int, limit: int, category_id: UUID | None = None, search: str = ""
) -> tuple[list[Post], int]:
    """Posts of members whom the viewer follows first, then the rest; newest first. And the total.

    Two ranges instead of one sort key: each of them is read in the order of an index.
    """
    found = Post.objects.all()
    if category_id:
        found = found.filter(category_id=category_id)
    if search:
        found = filter_by_words(found, search)
    items = _feed_page(found, viewer, (page - 1) * limit, limit)
    if len(items) < limit and (items or page == 1):
        return items, (page - 1) * limit + len(items)  # the last page says how many there are
    if category_id or search:
        return items, found.count_visible_to(viewer)
    return items, _public_posts() + found.count_beyond_public(viewer)


def invalidate_total() -> None:
    """Once the change of posts that calls this is committed, the feed counts them anew."""
    transaction.on_commit(lambda: cache.delete(_PUBLIC), robust=True)


def _public_posts() -> int:
    """The same for everybody, and the one part that grows with the site: counted now and then.

    A change that does not call `forget_total` (deactivated members) shows after _PUBLIC_SECONDS.
    """
    return cache.get_or_set(_PUBLIC, Post.objects.count_public, _PUBLIC_SECONDS) or 0


def _feed_page(found: PostQuerySet, viewer: Any, start: int, limit: int) -> list[Post]:
    posts = found.visible_to(viewer)
    followed = list(Follow.objects.filter(follower=viewer).values_list("following_id", flat=True))
    if not followed:
        return _newest_posts(posts, viewer, start, limit)
    first = posts.filter(user_id__in=followed)
    items = _newest_posts(first, viewer, start, limit)
    missing = limit - len(items)
    if missing:
        # A page that is begun here ends the first range; else that has to be counted.
        rest_start = 0 if items or not start else max(0, start - first.count())
        items += _newest_posts(posts.exclude(user_id__in=followed), viewer, rest_start, missing)
    return items


def posts_of(viewer: Any, user_id: UUID, *, page: int, limit: int) -> tuple[list[Post], int]:
    if not User.objects.filter(pk=user_id, is_active=True).exists():
        raise NotFound("user_not_found")
    posts = Post.objects.visible_to(viewer).filter(user_id=user_id)
    return _page(posts.order_by(*NEWEST_FIRST), viewer, page, limit), posts.count()


def liked_posts(viewer: Any, *, page: int, limit: int) -> tuple[list[Post], int]:
    """Newest like first."""
    posts = Post.objects.visible_to(viewer).filter(likes__user=viewer)
    newest = posts.order_by("-likes__created_at", "-id")
    return _page(newest, viewer, page, limit), posts.count()


def saved_posts(viewer: Any, *, page: int, limit: int) -> tuple[list[Post], int]:
    """Newest save first."""
    posts = Post.objects.visible_to(viewer).filter(saves__user=viewer)
    newest = posts.order_by("-saves__created_at", "-id")
    return _page(newest, viewer, page, limit), posts.count()


def _newest_posts(posts: PostQuerySet, viewer: Any, start: int, limit: int) -> list[Post]:
    """What is skipped is not joined with anything, so that late pages cost little more."""
    ids = posts.order_by(*NEWEST_FIRST).values("pk")[start : start + limit]
    return list(Post.objects.filter(pk__in=ids).for_display(viewer).order_by(*NEWEST_FIRST))


def _page(posts: PostQuerySet, viewer: Any, page: int, limit: int) -> list[Post]:
    return list(posts.for_display(viewer)[(page - 1) * limit : page * limit])
