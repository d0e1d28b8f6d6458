"""Telling open streams, in whichever web process they are, that something has come."""

import logging
from uuid import UUID

import redis
from django.conf import settings

logger = logging.getLogger(__name__)


def channel_name(user_id: UUID) -> str:
    return f"smimso:notifications:{user_id}"


def publish(user_id: UUID, notification_id: UUID) -> None:
    """Only the id: each stream reads the row. A dead Redis costs the live event, nothing else."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2) as client:
            client.publish(channel_name(user_id), str(notification_id))
    except redis.RedisError as error:
        logger.warning("A notification was not sent live: %s", error)
