"""Messages to the AI workers. Rows are the truth: a lost message is sent again."""

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
    """Send one message per image; return False, and raise nothing, if Redis is unreachable."""
    ids = list(image_ids)
    arguments = [(str(image_id),) for image_id in ids]
    is_sent = send_tasks(_TASKS[queue], arguments, headers=metrics.sent_at_headers())
    queued_at = timezone.now() if is_sent else None
    PostImage.objects.filter(pk__in=ids).update(ai_queued_at=queued_at)
    return is_sent


def enqueue_backfill(run: int, *, parts: int) -> None:
    """Start `parts` chains of backfill batches, each in its own range of image ids."""
    bounds = [UUID(int=(2**128 - 1) * part // parts) for part in range(1, parts)]
    for after, until in zip([None, *bounds], [*bounds, None], strict=True):
        send_backfill(run, after, until)


def send_backfill(run: int, after: UUID | None, until: UUID | None) -> bool:
    """Send the message for one batch; return False if Redis is unreachable.

    Then `search.reembedding.services` starts a new run later.
    """
    return _send("posts.tasks.fill_vectors", run, after and str(after), until and str(until))


def enqueue_classification() -> bool:
    """Reclassify all posts in the background; return False if Redis is unreachable."""
    return _send("posts.tasks.classify_posts")


def _send(task: str, *args: object) -> bool:
    return send_task(task, *args, headers=metrics.sent_at_headers())


def depth(queue: str) -> int:
    """Return the number of waiting messages."""
    return int(redis_client().llen(queue))
