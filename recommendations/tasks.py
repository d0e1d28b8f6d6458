"""Celery tasks of the recommendations."""

import logging

from celery import shared_task

from recommendations import interests

logger = logging.getLogger(__name__)


# The name in the queues and schedules of running installations.
@shared_task(name="search.tasks.learn_tastes", ignore_result=True)
def refresh_user_embeddings() -> None:
    """Update stale embeddings every night and after a change of the model, batch by batch."""
    refreshed = interests.refresh_stale()
    logger.info("Updated the embeddings of %d members", refreshed)
    if refreshed == interests.BATCH_SIZE:
        interests.schedule_refresh()
