"""Correction of the like and comment counters of posts from the rows that they count."""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection, transaction

from posts.models import Post

_DIFFERING = """
    SELECT posts.id FROM posts
    LEFT JOIN (SELECT post_id, count(*) FROM likes GROUP BY post_id) l ON l.post_id = posts.id
    LEFT JOIN (SELECT post_id, count(*) FROM comments GROUP BY post_id) c ON c.post_id = posts.id
    WHERE like_count <> coalesce(l.count, 0) OR comment_count <> coalesce(c.count, 0)
"""
_CORRECT = """
    UPDATE posts p SET like_count = n.likes, comment_count = n.comments
    FROM (
        SELECT id,
            (SELECT count(*) FROM likes WHERE post_id = posts.id) AS likes,
            (SELECT count(*) FROM comments WHERE post_id = posts.id) AS comments
        FROM posts WHERE id = ANY(%s)
    ) n
    WHERE p.id = n.id AND (p.like_count <> n.likes OR p.comment_count <> n.comments)
    RETURNING p.id
"""


def recount() -> int:
    """Correct all posts whose counters differ from the rows; return their number."""
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERING)
        differing = [post_id for (post_id,) in cursor.fetchall()]
    return len(recount_posts(differing))


def recount_posts(post_ids: Iterable[UUID]) -> list[UUID]:
    """Correct the counters of the given posts; return the ids of those that were wrong."""
    with transaction.atomic():
        # Lock first, then count: a like that is being added waits and then counts itself.
        rows = Post.objects.select_for_update().filter(pk__in=post_ids).order_by("pk")
        ids = list(rows.values_list("pk", flat=True))
        with connection.cursor() as cursor:
            cursor.execute(_CORRECT, [ids])
            return [post_id for (post_id,) in cursor.fetchall()]
