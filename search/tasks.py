"""Celery tasks of the vector index and of re-embedding."""

import logging

from celery import shared_task

from search.ann import index, recall
from search.reembedding import services as reembedding
from smimso.celery import one_at_a_time

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
@one_at_a_time
def maintain_index() -> None:
    index.maintain()


@shared_task(ignore_result=True)
def measure_recall() -> None:
    """Measure recall every night, and rebuild the index if it is too low."""
    measurements = recall.measure()
    for each in measurements:
        logger.info("recall@20 of %s queries: %s", each.query_kind, each.recall)
    if recall.is_below_target(measurements):
        index.maintain(force=True)


@shared_task(ignore_result=True)
@one_at_a_time
def change_model() -> None:
    reembedding.advance()
