"""Lists of posts, page by page: only what the viewer may see, in a constant number of queries."""

from typing import Any
from uuid import UUID

from accounts.models import Follow, User
from posts.models import Post, PostQuerySet
from posts.words import matching
from smimso.errors import NotFound

NEWEST = ("-created_at", "-id")


def feed(
    viewer: Any, *, page: int, limit: int, category_id: UUID | None = None, search: str = ""
) -> tuple[list[Post], int]:
    """Posts of members whom the viewer follows first, then the rest; newest first. And the total.

    Two ranges instead of one sort key: each of them is read in the order of an index.
    """
    posts = Post.objects.visible_to(viewer)
    if category_id:
        posts = posts.filter(category_id=category_id)
    if search:
        # Looked for once, not in each of the queries below: all else about a post is indexed.
        found = list(matching(posts, search).values_list("pk", flat=True))
        posts = posts.filter(pk__in=found)
    followed = list(Follow.objects.filter(follower=viewer).values_list("following_id", flat=True))
    if not followed:
        return _page(posts.order_by(*NEWEST), viewer, page, limit), posts.count()
    first = posts.filter(user_id__in=followed)
    rest = posts.exclude(user_id__in=followed)
    total_first, total_rest = first.count(), rest.count()
    start = (page - 1) * limit
    items = list(first.order_by(*NEWEST).for_display(viewer)[start : start + limit])
    missing = limit - len(items)
    if missing:
        start = max(0, start - total_first)
        items += rest.order_by(*NEWEST).for_display(viewer)[start : start + missing]
    return items, total_first + total_rest


def posts_of(viewer: Any, user_id: UUID, *, page: int, limit: int) -> tuple[list[Post], int]:
    if not User.objects.filter(pk=user_id, is_active=True).exists():
        raise NotFound("User not found")
    posts = Post.objects.visible_to(viewer).filter(user_id=user_id)
    return _page(posts.order_by(*NEWEST), viewer, page, limit), posts.count()


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


def _page(posts: PostQuerySet, viewer: Any, page: int, limit: int) -> list[Post]:
    return list(posts.for_display(viewer)[(page - 1) * limit : page * limit])
