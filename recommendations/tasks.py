"""Celery tasks of the recommendations."""

import logging

from celery import shared_task

from recommendations import interests

logger = logging.getLogger(__name__)


# The name under which running installations have it in their queues and schedules.
@shared_task(name="search.tasks.learn_tastes", ignore_result=True)
def refresh_user_embeddings() -> None:
    """Every night, and after a change of the model; until all have been learned."""
    learned = interests.refresh_stale()
    logger.info("Learned the tastes of %d members", learned)
    if learned == interests.BATCH_SIZE:
        interests.schedule_refresh()
