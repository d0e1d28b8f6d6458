"""The cache while Redis is dead or hangs: requests go on, and wait for it once."""

import logging
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.cache.backends.redis import RedisCache

from smimso import redis

TIMEOUT = 0.3


def cache_at(settings: Any, url: str) -> None:
    default = settings.CACHES["default"]
    options = default["OPTIONS"] | {"SOCKET_TIMEOUT": TIMEOUT}
    settings.CACHES = {"default": default | {"LOCATION": url, "OPTIONS": options}}


def test_a_dead_cache_misses_every_key_and_logs_a_line(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache_at(settings, f"unix://{tmp_path}/nobody.sock")
    cache.set("key", 1, 60)
    assert cache.get("key") is None
    assert cache.get("key", "default") == "default"
    assert cache.get_or_set("key", lambda: 2, 60) == 2
    assert cache.incr("key") is None
    for name, level, text in caplog.record_tuples:
        assert (name, level) == ("django_redis.cache", logging.WARNING)
        assert text.startswith("The cache is not reachable: Redis ConnectionError: ")
    assert not any(record.exc_info for record in caplog.records)


def test_a_hanging_cache_is_waited_for_once_and_tried_again_after_a_pause(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "PAUSE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache_at(settings, f"redis://127.0.0.1:{silent.getsockname()[1]}/0")

        def duration() -> float:
            started = time.monotonic()
            assert cache.get("key") is None
            return time.monotonic() - started

        assert duration() >= TIMEOUT
        assert sum(duration() for _ in range(20)) < TIMEOUT
        time.sleep(0.5)
        assert duration() >= TIMEOUT


def test_values_that_djangos_own_backend_stored_are_read(servers: Path, settings: Any) -> None:
    """An installation before 0.2.0 used it: its throttles go on counting."""
    default = settings.CACHES["default"]
    former = RedisCache(default["LOCATION"], {"KEY_PREFIX": default["KEY_PREFIX"]})
    values = {"count": 3, "rows": [{"a": 1.5, "b": None}], "bytes": b"12", "bool": True}
    former.set_many(values, 60)
    assert cache.get_many(values) == values
    assert cache.incr("count") == former.get("count") == 4
