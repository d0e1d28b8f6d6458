"""Lists of posts that a viewer may see, page by page, in a constant number of queries."""

from uuid import UUID

from django.core.cache import cache
from django.db import transaction

from accounts.models import Follow, User
from accounts.viewer import Viewer
from posts.full_text import filter_by_words
from posts.models import Post, PostQuerySet
from smimso.errors import NotFound

NEWEST_FIRST = ("-created_at", "-id")
_PUBLIC_COUNT_KEY = "feed:public"
_PUBLIC_COUNT_SECONDS = 30


def list_feed(
    viewer: User, *, page: int, limit: int, category_id: UUID | None = None, search: str = ""
) -> tuple[list[Post], int]:
    """Return a page of the feed and the total: posts of followed members first, then the rest.

    Each part is ordered newest first. They are read as two ranges, because each range has an index
    with its order.
    """
    posts = Post.objects.all()
    if category_id:
        posts = posts.filter(category_id=category_id)
    if search:
        posts = filter_by_words(posts, search)
    items = _fetch_feed_page(posts, viewer, (page - 1) * limit, limit)
    if len(items) < limit and (items or page == 1):
        return items, (page - 1) * limit + len(items)  # the last page: no need to count
    if category_id or search:
        return items, posts.count_visible_to(viewer)
    return items, _count_public_posts() + posts.count_beyond_public(viewer)


def invalidate_total() -> None:
    """Drop the cached count of public posts when the current transaction commits."""
    transaction.on_commit(lambda: cache.delete(_PUBLIC_COUNT_KEY), robust=True)


def _count_public_posts() -> int:
    """Return the count of public posts, cached because it grows with the site.

    Changes that do not call `invalidate_total` (deactivated members) show after
    _PUBLIC_COUNT_SECONDS.
    """
    count = cache.get_or_set(_PUBLIC_COUNT_KEY, Post.objects.count_public, _PUBLIC_COUNT_SECONDS)
    return count or 0


def _fetch_feed_page(posts: PostQuerySet, viewer: User, start: int, limit: int) -> list[Post]:
    visible = posts.visible_to(viewer)
    followed = list(Follow.objects.filter(follower=viewer).values_list("following_id", flat=True))
    if not followed:
        return _fetch_newest(visible, viewer, start, limit)
    of_followed = visible.filter(user_id__in=followed)
    items = _fetch_newest(of_followed, viewer, start, limit)
    missing = limit - len(items)
    if missing:
        # If the first range ends within this page, the second one starts at 0. Otherwise the
        # length of the first range has to be counted.
        rest_start = 0 if items or not start else max(0, start - of_followed.count())
        rest = visible.exclude(user_id__in=followed)
        items += _fetch_newest(rest, viewer, rest_start, missing)
    return items


def posts_of(viewer: Viewer, user_id: UUID, *, page: int, limit: int) -> tuple[list[Post], int]:
    """Return a page of a member's posts, newest first, and the total."""
    if not User.objects.filter(pk=user_id, is_active=True).exists():
        raise NotFound("user_not_found")
    posts = Post.objects.visible_to(viewer).filter(user_id=user_id)
    return _fetch_page(posts.order_by(*NEWEST_FIRST), viewer, page, limit), posts.count()


def liked_posts(viewer: User, *, page: int, limit: int) -> tuple[list[Post], int]:
    """Return a page of the posts that the viewer likes, latest like first, and the total."""
    posts = Post.objects.visible_to(viewer).filter(likes__user=viewer)
    by_like = posts.order_by("-likes__created_at", "-id")
    return _fetch_page(by_like, viewer, page, limit), posts.count()


def saved_posts(viewer: User, *, page: int, limit: int) -> tuple[list[Post], int]:
    """Return a page of the posts that the viewer saved, latest save first, and the total."""
    posts = Post.objects.visible_to(viewer).filter(saves__user=viewer)
    by_save = posts.order_by("-saves__created_at", "-id")
    return _fetch_page(by_save, viewer, page, limit), posts.count()


def _fetch_newest(posts: PostQuerySet, viewer: User, start: int, limit: int) -> list[Post]:
    """Fetch a slice of the posts. Skipped rows are not joined, so late pages cost little more."""
    ids = posts.order_by(*NEWEST_FIRST).values("pk")[start : start + limit]
    return list(Post.objects.filter(pk__in=ids).for_display(viewer).order_by(*NEWEST_FIRST))


def _fetch_page(posts: PostQuerySet, viewer: Viewer, page: int, limit: int) -> list[Post]:
    return list(posts.for_display(viewer)[(page - 1) * limit : page * limit])
