"""Likes and comments of posts, counted anew: the old backend's counters drifted from the rows."""

from uuid import UUID

from django.db import connection, transaction

from importer.report import EXAMPLES, TableReport
from posts.models import Post

_FIRST = UUID(int=0)
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


def correct_counters(report: TableReport, *, batch: int) -> None:
    last = _FIRST
    while True:
        with transaction.atomic():
            # Locked first, then counted: a like that is just being added waits, and adds itself.
            rows = Post.objects.select_for_update().filter(pk__gt=last).order_by("pk")
            ids = list(rows.values_list("pk", flat=True)[:batch])
            if not ids:
                return
            with connection.cursor() as cursor:
                cursor.execute(_CORRECT, [ids])
                for (post_id,) in cursor.fetchall():
                    report.note("like_count or comment_count corrected from the rows", str(post_id))
        last = ids[-1]


def report_bare_posts(report: TableReport) -> None:
    bare = Post.objects.filter(images=None)
    for post in bare.order_by("pk")[:EXAMPLES]:
        report.note("has no image", str(post.pk), count=0)
    if count := bare.count():
        report.note("has no image", "", count)
