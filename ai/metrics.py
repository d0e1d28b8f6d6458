"""Prometheus metrics of the AI, and the throughput of the pipeline.

Workers and web count in their own processes; `smimso.metrics` aggregates them.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis import RedisError

from ai import heartbeat
from smimso import queues
from smimso.metrics import SCRAPE_REGISTRY
from smimso.redis import redis_client

logger = logging.getLogger(__name__)

SENT_AT_HEADER = "smimso_sent_at"  # of a message: seconds since 1970
_SHORT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
_LONG_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600]

_QUEUE_WAIT = Histogram(
    "smimso_ai_queue_wait_seconds",
    "Time a message waited in a queue before a worker started on it",
    ["queue"],
    buckets=_LONG_BUCKETS,
)
_BATCH_SIZE = Histogram(
    "smimso_ai_batch_size",
    "Images per batch of a pipeline step",
    ["step"],
    buckets=[1, 2, 4, 8, 16, 32, 64, 128, 256],
)
_DECODE = Histogram(
    "smimso_ai_decode_seconds",
    "Time a pipeline step waited for an image to be decoded",
    ["step"],
    buckets=_SHORT_BUCKETS,
)
_INFERENCE = Histogram(
    "smimso_ai_inference_seconds",
    "Duration of one model call, regardless of its batch size",
    ["model", "operation"],
    buckets=_SHORT_BUCKETS,
)
_REQUEST = Histogram(
    "smimso_ai_request_duration_seconds",
    "Time a caller waited for a worker's reply",
    ["task", "outcome"],
    buckets=_SHORT_BUCKETS,
)
_IMAGES = Counter("smimso_ai_images_total", "Images that completed a pipeline step", ["step"])
_FAILURES = Counter("smimso_ai_failures_total", "Failed attempts by pipeline step", ["step"])

P = ParamSpec("P")
R = TypeVar("R")


class Headers(Protocol):
    """The headers of a message: a dictionary, or Celery's request."""

    def get(self, key: str, /) -> str | None: ...


# --- Messages -------------------------------------------------------------------------------


def sent_at_headers() -> dict[str, str]:
    """Return headers for a message by which its wait can be measured."""
    return {SENT_AT_HEADER: repr(time.time())}


def observe_queue_wait(queue: str, headers: Headers) -> None:
    """Record how long a message waited; to be called when a worker starts on it."""
    if sent_at := headers.get(SENT_AT_HEADER):  # absent in messages of older versions
        _QUEUE_WAIT.labels(queue).observe(max(0.0, time.time() - float(sent_at)))


@contextmanager
def observe_request(task: str) -> Iterator[None]:
    """Record how long the caller of `task` waits, with the name of the exception, if any."""
    start, outcome = time.perf_counter(), "answered"
    try:
        yield
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        name = task.removeprefix("ai.tasks.")
        _REQUEST.labels(name, outcome).observe(time.perf_counter() - start)


# --- Work -----------------------------------------------------------------------------------


def observe_batch(step: str, size: int) -> None:
    _BATCH_SIZE.labels(step).observe(size)


@contextmanager
def observe_decode(step: str) -> Iterator[None]:
    with _DECODE.labels(step).time():
        yield


def observe_inference(model: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Time a method that computes with a model, "clip" or "blip", unless it fails."""

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @wraps(method)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            start = time.perf_counter()
            result = method(*args, **kwargs)
            _INFERENCE.labels(model, method.__name__).observe(time.perf_counter() - start)
            return result

        return timed

    return decorate


def count_failures(step: str, count: int = 1) -> None:
    _FAILURES.labels(step).inc(count)


def count_finished(step: str, count: int) -> None:
    """Count images that completed a step, also in Redis, where `throughput` reads it."""
    if not count:
        return
    _IMAGES.labels(step).inc(count)
    key = _FINISHED_KEY.format(step, int(time.time() // SLICE_SECONDS))
    try:
        with redis_client().pipeline(transaction=False) as pipeline:
            pipeline.incrby(key, count)
            pipeline.expire(key, int(SLICE_SECONDS * (SLICES + 2)))
            pipeline.execute()
    except RedisError as error:
        logger.debug("%d images are missing from the throughput: %s", count, error)


# --- Throughput -----------------------------------------------------------------------------

SLICE_SECONDS, SLICES = 10.0, 30  # the last five minutes
_FINISHED_KEY = "smimso:ai:finished:{}:{}"


def throughput(step: str) -> float:
    """Return images per minute over the last five, or since work started within them.

    Raises redis.RedisError.
    """
    now = time.time()
    newest = int(now // SLICE_SECONDS)
    slices = range(newest - SLICES, newest + 1)
    keys = [_FINISHED_KEY.format(step, number) for number in slices]
    counts = [int(count or 0) for count in redis_client().mget(keys)]
    busy = [number for number, count in zip(slices, counts, strict=True) if count]
    if not busy:
        return 0.0
    seconds = max(SLICE_SECONDS, now - busy[0] * SLICE_SECONDS)
    return sum(counts) * 60 / seconds


# --- Read at each scrape --------------------------------------------------------------------


def queue_depths() -> dict[str, int]:
    """Return the number of waiting messages by queue. Raises redis.RedisError."""
    with redis_client().pipeline(transaction=False) as pipeline:
        for queue in queues.ALL:
            pipeline.llen(queue)
        return dict(zip(queues.ALL, pipeline.execute(), strict=True))


class _RedisCollector(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        depth = GaugeMetricFamily(
            "smimso_queue_depth", "Messages waiting in a queue", labels=["queue"]
        )
        alive = GaugeMetricFamily(
            "smimso_ai_workers",
            "Live workers that have the model loaded, by the queue that they serve",
            labels=["queue", "model"],
        )
        reachable = GaugeMetricFamily("smimso_redis_up", "1 if Redis is reachable")
        try:
            depths, workers = queue_depths(), heartbeat.live_workers()
        except RedisError as error:
            logger.warning("Redis is unreachable: %s", error)
            reachable.add_metric([], 0)
            yield reachable
            return
        reachable.add_metric([], 1)
        for queue, number in depths.items():
            depth.add_metric([queue], number)
        for queue in queues.AI:
            for model in ("clip", "blip"):
                serving = [w for w in workers if queue in w.queues and getattr(w, model).loaded]
                alive.add_metric([queue, model], len(serving))
        yield from (reachable, depth, alive)

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing, so that registering does not read Redis."""
        return []


SCRAPE_REGISTRY.register(_RedisCollector())
