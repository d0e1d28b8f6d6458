"""Likes and comments of posts, counted anew: the old backend's counters drifted from the rows."""

from uuid import UUID

from django.db.models import Exists, OuterRef

from importer.report import EXAMPLES, TableReport
from posts.models import Post, PostImage
from posts.recount import recount_posts

_FIRST = UUID(int=0)


def correct_counters(report: TableReport, *, batch: int) -> None:
    last = _FIRST
    while True:
        rows = Post.objects.filter(pk__gt=last).order_by("pk")
        ids = list(rows.values_list("pk", flat=True)[:batch])
        if not ids:
            return
        for post_id in recount_posts(ids):
            report.note("like_count or comment_count corrected from the rows", str(post_id))
        last = ids[-1]


def report_bare_posts(report: TableReport) -> None:
    bare = Post.objects.filter(~Exists(PostImage.objects.filter(post=OuterRef("pk"))))
    for post in bare.order_by("pk")[:EXAMPLES]:
        report.note("has no image", str(post.pk), count=0)
    if count := bare.count():
        report.note("has no image", "", count)
