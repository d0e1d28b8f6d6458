"""Puts images on the AI queues. Rows are the truth: a message that is lost is queued again."""

from collections.abc import Iterable
from uuid import UUID

from django.utils import timezone

from ai import metrics
from posts.models import PostImage
from smimso.celery import send_task, send_tasks
from smimso.queues import CAPTION, EMBED
from smimso.redis import redis_client

_TASKS = {EMBED: "posts.tasks.embed_images", CAPTION: "posts.tasks.caption_images"}


def enqueue(queue: str, image_ids: Iterable[UUID]) -> bool:
    """Sends one message per image. False, and nothing raised, when Redis is away."""
    ids = list(image_ids)
    arguments = [(str(image_id),) for image_id in ids]
    is_sent = send_tasks(_TASKS[queue], arguments, headers=metrics.sent_at_headers())
    queued_at = timezone.now() if is_sent else None
    PostImage.objects.filter(pk__in=ids).update(ai_queued_at=queued_at)
    return is_sent


def enqueue_backfill(run: int, *, parts: int) -> None:
    """Has `parts` workers fill what images lack of vectors, each in a range of ids of its own."""
    bounds = [UUID(int=(2**128 - 1) * part // parts) for part in range(1, parts)]
    for after, until in zip([None, *bounds], [*bounds, None], strict=True):
        send_backfill(run, after, until)


def send_backfill(run: int, after: UUID | None, until: UUID | None) -> bool:
    """False when Redis is away; then `search.reembedding.services` begins again later."""
    return _send("posts.tasks.fill_vectors", run, after and str(after), until and str(until))


def enqueue_classification() -> bool:
    """Has all posts classified anew in the background. False when Redis is away."""
    return _send("posts.tasks.classify_posts")


def _send(task: str, *args: object) -> bool:
    return send_task(task, *args, headers=metrics.sent_at_headers())


def depth(queue: str) -> int:
    """Messages that no worker has taken yet."""
    return int(redis_client().llen(queue))
