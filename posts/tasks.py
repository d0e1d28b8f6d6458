"""Celery's interface to the pipeline: ids in, one service call, nothing else."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from celery import shared_task
from celery_batches import Batches, SimpleRequest
from django.conf import settings
from django.db import close_old_connections

from ai.worker import engine
from posts import counters, pipeline, sweep, view_log
from smimso.errors import Unavailable

logger = logging.getLogger(__name__)


class ImageBatches(Batches):
    """Batches whose flush timer survives a lost connection to Redis.

    Celery clears the worker's timers when the connection is lost, while celery-batches 0.11 still
    believes in its own: what does not fill a batch would then wait for ever.
    """

    def Strategy(self, *args: Any) -> Callable[..., None]:  # noqa: N802 - Celery's name
        self._tref = None  # asked for at every (re)connection
        return super().Strategy(*args)


@shared_task(base=ImageBatches, flush_every=settings.AI_EMBED_BATCH, flush_interval=0.2)
def embed_images(requests: list[SimpleRequest]) -> None:
    _run(pipeline.embed_images, "clip", requests)


@shared_task(base=ImageBatches, flush_every=settings.AI_CAPTION_BATCH, flush_interval=0.2)
def caption_images(requests: list[SimpleRequest]) -> None:
    _run(pipeline.caption_images, "blip", requests)


@shared_task(ignore_result=True)
def reconcile_images() -> None:
    pipeline.reconcile()


@shared_task(ignore_result=True)
def write_views() -> None:
    view_log.write_waiting_views()


@shared_task(ignore_result=True)
def keep_house() -> None:
    """Every night."""
    removed, corrected = sweep.remove_unused_files(), counters.recount()
    logger.info("Removed %d unused files, corrected counters of %d posts", removed, corrected)


def _run(step: Callable[..., None], model: str, requests: list[SimpleRequest]) -> None:
    close_old_connections()  # celery-batches runs outside Celery's own hooks for Django
    try:
        current = engine()
        getattr(current, model).get()  # missing weights are nobody's failed attempt
        step([UUID(request.args[0]) for request in requests], current)
    except Unavailable as error:
        logger.warning("%d images stay pending: %s", len(requests), error)
    finally:
        close_old_connections()
