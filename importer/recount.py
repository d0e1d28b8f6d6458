"""Recount likes and comments of posts, because the old backend's counters drifted from the rows."""

from uuid import UUID

from django.db.models import Exists, OuterRef

from importer.report import MAX_EXAMPLES, TableReport
from posts.models import Post, PostImage
from posts.recount import recount_posts

_FIRST_ID = UUID(int=0)


def correct_counters(report: TableReport, *, batch: int) -> None:
    """Correct the counters of every post, `batch` posts at a time."""
    last_id = _FIRST_ID
    while True:
        rows = Post.objects.filter(pk__gt=last_id).order_by("pk")
        ids = list(rows.values_list("pk", flat=True)[:batch])
        if not ids:
            return
        for post_id in recount_posts(ids):
            report.note("like_count or comment_count corrected from the rows", str(post_id))
        last_id = ids[-1]


def report_posts_without_images(report: TableReport) -> None:
    posts = Post.objects.filter(~Exists(PostImage.objects.filter(post=OuterRef("pk"))))
    for post in posts.order_by("pk")[:MAX_EXAMPLES]:
        report.note("has no image", str(post.pk), count=0)
    if count := posts.count():
        report.note("has no image", "", count)
