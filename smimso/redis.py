"""The one place that creates Redis clients.

A dead server delays no request. A hanging one delays it by at most two seconds per client: this
module's, the cache's and Celery's.
"""

import time
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from redis import ConnectionError, ConnectionPool, Redis, TimeoutError
from redis.asyncio import Redis as AsyncRedis
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECT_TIMEOUT, REPLY_TIMEOUT = 1.0, 1.0  # seconds; each may pass twice
PAUSE_SECONDS = 1.0


def redis_client() -> Redis:
    """Return this process's client; its pool is safe for threads and reset after a fork."""
    return _client(settings.REDIS_URL)


@cache
def _client(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=REPLY_TIMEOUT,
        # One more attempt over a new connection, for the first command after Redis restarted.
        retry=Retry(NoBackoff(), 1),
    )


def async_redis_client() -> AsyncRedis:
    """Return a new client for the running event loop; a subscription may wait without limit."""
    return AsyncRedis.from_url(settings.REDIS_URL, socket_connect_timeout=2)


class CacheClient(Redis):
    """The client of Django's cache: after a failure it fails at once for PAUSE_SECONDS.

    The cache ignores errors (settings.CACHES), so the next operation of the same request follows
    and would wait for the time-outs of a hanging server again.
    """

    _paused_until: WeakKeyDictionary[ConnectionPool, float] = WeakKeyDictionary()

    def execute_command(self, *args: object, **options: object) -> Any:
        if time.monotonic() < self._paused_until.get(self.connection_pool, 0.0):
            raise ConnectionError("it failed a moment ago")
        try:
            return super().execute_command(*args, **options)
        except (ConnectionError, TimeoutError):
            self._paused_until[self.connection_pool] = time.monotonic() + PAUSE_SECONDS
            raise
