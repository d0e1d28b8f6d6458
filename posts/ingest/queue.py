"""Puts images on the AI queues. Rows are the truth: a message that is lost is queued again."""

import logging
from collections.abc import Iterable
from uuid import UUID

import redis
from celery import current_app
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from ai import metrics
from posts.models import PostImage
from smimso.celery import send_task
from smimso.queues import CAPTION, EMBED

logger = logging.getLogger(__name__)

_TASKS = {EMBED: "posts.tasks.embed_images", CAPTION: "posts.tasks.caption_images"}


def enqueue(queue: str, image_ids: Iterable[UUID]) -> bool:
    """Sends one message per image. False, and nothing raised, when Redis is away."""
    ids = list(image_ids)
    try:
        with current_app.producer_pool.acquire(block=True) as producer:
            for image_id in ids:
                current_app.send_task(
                    _TASKS[queue],
                    args=[str(image_id)],
                    queue=queue,
                    headers=metrics.sent_at_headers(),
                    producer=producer,
                    ignore_result=True,
                    retry=True,  # once: the connection may be stale since Redis restarted
                    retry_policy={"max_retries": 1, "interval_start": 0},
                )
    except (OperationalError, redis.RedisError, OSError) as error:
        logger.warning("Redis is away, %d images stay pending: %s", len(ids), error)
        PostImage.objects.filter(pk__in=ids).update(ai_queued_at=None)
        return False
    PostImage.objects.filter(pk__in=ids).update(ai_queued_at=timezone.now())
    return True


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
    limits = {"socket_connect_timeout": 2.0, "socket_timeout": 5.0}
    with redis.Redis.from_url(settings.REDIS_URL, **limits) as client:
        return client.llen(queue)
