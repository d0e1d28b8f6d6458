"""Redis as `ai` uses it: a dead or hanging server costs a request two seconds at most."""

from functools import cache

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECT_TIMEOUT, REPLY_TIMEOUT = 1.0, 1.0  # seconds; each may be spent twice


@cache
def redis_client() -> Redis:
    """One client per process; its pool is safe for threads and reset after a fork."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=REPLY_TIMEOUT,
        # One more attempt over a new connection, for the first command after Redis restarted.
        retry=Retry(NoBackoff(), 1),
    )
