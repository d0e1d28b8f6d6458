"""Celery tasks: each turns its arguments into one service call. Their names are a wire format."""

import logging
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from celery import Task, shared_task
from celery_batches import Batches, SimpleRequest
from django.conf import settings
from django.db import close_old_connections

from ai import metrics
from ai.models import Column, VectorSpace
from ai.worker import get_engines
from posts import recount, view_counter
from posts.files import cleanup
from posts.ingest import appearance_backfill, classification, embeddings, pipeline, queue
from smimso.celery import one_at_a_time
from smimso.errors import Unavailable
from smimso.queues import BACKFILL

logger = logging.getLogger(__name__)


class ImageBatches(Batches):
    """Batches whose flush timer survives a lost connection to Redis.

    Celery clears a worker's timers when the connection is lost, but celery-batches 0.11 assumes
    that its own is still running. Messages that do not fill a batch would then wait forever.
    """

    def Strategy(self, *args: object) -> Callable[..., None]:  # noqa: N802 - Celery's name
        self._tref = None  # this method runs at every (re)connection
        return super().Strategy(*args)


@shared_task(base=ImageBatches, flush_every=settings.AI_EMBED_BATCH, flush_interval=0.2)
def embed_images(requests: list[SimpleRequest]) -> None:
    def embed(image_ids: list[UUID]) -> None:
        current, *others = get_engines()
        current.clip.get()  # raises here, so missing weights do not count as failed attempts
        secondary = [other for other in others if other.clip.loaded]
        pipeline.embed_images(image_ids, current, secondary)

    _run(embed, requests)


@shared_task(base=ImageBatches, flush_every=settings.AI_CAPTION_BATCH, flush_interval=0.2)
def caption_images(requests: list[SimpleRequest]) -> None:
    def caption(image_ids: list[UUID]) -> None:
        current = get_engines()[0]
        current.blip.get()
        pipeline.caption_images(image_ids, current)

    _run(caption, requests)


@shared_task(ignore_result=True)
@one_at_a_time
def reconcile_images() -> None:
    pipeline.reconcile()


@shared_task(ignore_result=True)
@one_at_a_time
def fill_appearance() -> None:
    appearance_backfill.backfill_appearance()


@shared_task(ignore_result=True)
@one_at_a_time
def write_views() -> None:
    view_counter.flush_views()


@shared_task(name="posts.tasks.keep_house", ignore_result=True)
def nightly_cleanup() -> None:
    removed, corrected = cleanup.remove_orphan_files(), recount.recount()
    logger.info("Removed %d orphan files, corrected the counters of %d posts", removed, corrected)


@shared_task(
    ignore_result=True, autoretry_for=(Unavailable,), default_retry_delay=60, max_retries=60
)
def classify_posts() -> None:
    """Classify all posts. Retries for an hour until an AI worker with the model is running."""
    outcome = classification.reclassify_all()
    logger.info("Classified %d posts, %d changed", outcome.classified, outcome.changed)


@shared_task(bind=True, ignore_result=True)
def fill_vectors(self: Task, run: int, after: str | None, until: str | None) -> None:
    """Backfill one batch and send the message for the next, unless a later run has started."""
    metrics.observe_queue_wait(BACKFILL, self.request)
    if not VectorSpace.objects.filter(column=Column.SECONDARY, run=run).exists():
        return
    loaded = [current for current in get_engines() if current.clip.loaded]
    start, end = (UUID(key) if key else None for key in (after, until))
    try:
        last = embeddings.backfill(loaded, after=start, until=end)
    except Unavailable as error:
        logger.warning("Backfill paused: %s", error)
        return
    if last:
        queue.send_backfill(run, last, end)


def _run(step: Callable[[list[UUID]], None], requests: list[SimpleRequest]) -> None:
    for request in requests:
        metrics.observe_queue_wait(request.delivery_info["routing_key"], request.request_dict)
    close_old_connections()  # celery-batches bypasses Celery's hooks for Django
    image_ids = [UUID(request.args[0]) for request in requests]
    try:
        with suppress(embeddings.VectorSpaceChanged):
            step(image_ids)
            return
        step(image_ids)  # once more, in the new vector space
    except Unavailable as error:
        logger.warning("%d images stay pending: %s", len(requests), error)
    finally:
        close_old_connections()
