"""Celery's interface to index upkeep and to a change of the model."""

import logging

from celery import shared_task

from search import index, model_change, recall

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def maintain_index() -> None:
    index.maintain()


@shared_task(ignore_result=True)
def measure_recall() -> None:
    """Every night."""
    measured = recall.measure()
    for each in measured:
        logger.info("recall@20 of %s queries: %s", each.query_kind, each.recall)
    if recall.is_short(measured):
        index.maintain(force=True)


@shared_task(ignore_result=True)
def change_model() -> None:
    model_change.advance()
