"""Publish new notifications to open streams in all web processes, by Redis pub/sub."""

import logging
from uuid import UUID

from redis import RedisError

from smimso.redis import redis_client

logger = logging.getLogger(__name__)


def channel_name(user_id: UUID) -> str:
    return f"smimso:notifications:{user_id}"


def publish(user_id: UUID, notification_id: UUID) -> None:
    """Send the id; each stream reads the row itself. Without Redis, only the live event is lost."""
    try:
        redis_client().publish(channel_name(user_id), str(notification_id))
    except RedisError as error:
        logger.warning("A live notification was not published: %s", error)
