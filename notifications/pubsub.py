"""Telling open streams, in whichever web process they are, that something has come."""

import logging
from uuid import UUID

from redis import RedisError

from smimso.redis import redis_client

logger = logging.getLogger(__name__)


def channel_name(user_id: UUID) -> str:
    return f"smimso:notifications:{user_id}"


def publish(user_id: UUID, notification_id: UUID) -> None:
    """Only the id: each stream reads the row. A dead Redis costs the live event, nothing else."""
    try:
        redis_client().publish(channel_name(user_id), str(notification_id))
    except RedisError as error:
        logger.warning("A notification was not sent live: %s", error)
