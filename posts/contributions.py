"""Lists of what a member did with posts: comments, likes and saves.

They are the member's own, so they include those on posts that are hidden from the member now. Of
such a post they tell nothing but its id, which `posts.interactions` needs to delete the row.
"""

from typing import TypeVar

from accounts.models import User
from posts.models import Comment, Like, Post, SavedPost

Row = TypeVar("Row", Comment, Like, SavedPost)


def contributions_of(
    user: User, model: type[Row], *, page: int, limit: int
) -> tuple[list[Row], int]:
    """Return a page of the member's rows of `model`, newest first, and their number.

    Each has `visible_post`: its post as for display, or None if it is hidden from the member.
    """
    own = model._default_manager.filter(user=user)
    rows = list(own.order_by("-created_at", "-id")[(page - 1) * limit : page * limit])
    visible = Post.objects.visible_to(user).for_display(user)
    posts = visible.in_bulk({row.post_id for row in rows})
    for row in rows:
        row.visible_post = posts.get(row.post_id)
    return rows, own.count()
