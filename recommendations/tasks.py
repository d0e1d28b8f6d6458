"""Celery tasks of the recommendations."""

import logging

from celery import shared_task

from recommendations import interests

logger = logging.getLogger(__name__)


# The name under which running installations have it in their queues and schedules.
@shared_task(name="search.tasks.learn_tastes", ignore_result=True)
def learn_tastes() -> None:
    """Every night, and after a change of the model; until all have been learned."""
    learned = interests.learn_of_the_active()
    logger.info("Learned the tastes of %d members", learned)
    if learned == interests.AT_ONCE:
        interests.learn_soon()
