"""What is measured of the AI (Prometheus), and how fast images get through.

Workers and web count in their own processes; `smimso.metrics` adds them up.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis import RedisError

from ai import heartbeat
from smimso import queues
from smimso.metrics import SCRAPE_REGISTRY
from smimso.redis import redis_client

logger = logging.getLogger(__name__)

SENT_AT_HEADER = "smimso_sent_at"  # a message's header: seconds since 1970
_SHORT = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
_LONG = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600]

_WAITED = Histogram(
    "smimso_ai_queue_wait_seconds",
    "From a message's sending until a worker began with it",
    ["queue"],
    buckets=_LONG,
)
_BATCH = Histogram(
    "smimso_ai_batch_size",
    "Images that a worker took together",
    ["step"],
    buckets=[1, 2, 4, 8, 16, 32, 64, 128, 256],
)
_DECODED = Histogram(
    "smimso_ai_decode_seconds",
    "What a model waited for a picture to be decoded",
    ["step"],
    buckets=_SHORT,
)
_INFERENCE = Histogram(
    "smimso_ai_inference_seconds",
    "One call of a model, whatever the size of its batch",
    ["model", "operation"],
    buckets=_SHORT,
)
_REQUESTED = Histogram(
    "smimso_ai_request_duration_seconds",
    "What somebody waited for a worker's answer",
    ["task", "outcome"],
    buckets=_SHORT,
)
_IMAGES = Counter("smimso_ai_images_total", "Images that got through a step", ["step"])
_FAILURES = Counter("smimso_ai_failures_total", "Attempts that failed, by step", ["step"])

P = ParamSpec("P")
R = TypeVar("R")


# --- Messages -------------------------------------------------------------------------------


def sent_at_headers() -> dict[str, str]:
    """Headers for a message, to tell how long it waited."""
    return {SENT_AT_HEADER: repr(time.time())}


def observe_queue_wait(queue: str, headers: Any) -> None:
    """In the worker, when it begins with a message. headers: anything with `get`."""
    if sent_at := headers.get(SENT_AT_HEADER):  # a message may be of an older version
        _WAITED.labels(queue).observe(max(0.0, time.time() - float(sent_at)))


@contextmanager
def observe_request(task: str) -> Iterator[None]:
    """In the process that waits: "answered", or the name of what was raised."""
    began, outcome = time.perf_counter(), "answered"
    try:
        yield
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        name = task.removeprefix("ai.tasks.")
        _REQUESTED.labels(name, outcome).observe(time.perf_counter() - began)


# --- Work -----------------------------------------------------------------------------------


def observe_batch(step: str, size: int) -> None:
    _BATCH.labels(step).observe(size)


@contextmanager
def observe_decode(step: str) -> Iterator[None]:
    with _DECODED.labels(step).time():
        yield


def observe_inference(model: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For methods that compute with a model: "clip" or "blip". What fails is not timed."""

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @wraps(method)
        def computed(*args: P.args, **kwargs: P.kwargs) -> R:
            began = time.perf_counter()
            answer = method(*args, **kwargs)
            seconds = time.perf_counter() - began
            _INFERENCE.labels(model, method.__name__).observe(seconds)
            return answer

        return computed

    return decorate


def count_failures(step: str, count: int = 1) -> None:
    _FAILURES.labels(step).inc(count)


def count_finished(step: str, count: int) -> None:
    """Images that got through; also noted in Redis, from which `pace` tells every process."""
    if not count:
        return
    _IMAGES.labels(step).inc(count)
    key = _KEY.format(step, int(time.time() // SLICE_SECONDS))
    try:
        with redis_client().pipeline(transaction=False) as pipeline:
            pipeline.incrby(key, count)
            pipeline.expire(key, int(SLICE_SECONDS * (SLICES + 2)))
            pipeline.execute()
    except RedisError as error:
        logger.debug("%d images are not in the pace: %s", count, error)


# --- The pace -------------------------------------------------------------------------------

SLICE_SECONDS, SLICES = 10.0, 30  # seconds; looked at: the last five minutes
_KEY = "smimso:ai:finished:{}:{}"


def throughput(step: str) -> float:
    """Images per minute over the last five, or since work began within them; 0 when none.

    Raises redis.RedisError.
    """
    now = time.time()
    newest = int(now // SLICE_SECONDS)
    slices = range(newest - SLICES, newest + 1)
    counts = [int(n or 0) for n in redis_client().mget([_KEY.format(step, n) for n in slices])]
    busy = [number for number, count in zip(slices, counts, strict=True) if count]
    if not busy:
        return 0.0
    seconds = max(SLICE_SECONDS, now - busy[0] * SLICE_SECONDS)
    return sum(counts) * 60 / seconds


# --- Read when asked ------------------------------------------------------------------------


def queue_depths() -> dict[str, int]:
    """Messages that no worker has taken yet, by queue. Raises redis.RedisError."""
    with redis_client().pipeline(transaction=False) as pipeline:
        for queue in queues.ALL:
            pipeline.llen(queue)
        return dict(zip(queues.ALL, pipeline.execute(), strict=True))


class _Redis(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        depth = GaugeMetricFamily(
            "smimso_queue_depth", "Messages that no worker has taken yet", labels=["queue"]
        )
        alive = GaugeMetricFamily(
            "smimso_ai_workers",
            "Live workers with the model loaded, by the queue that they serve",
            labels=["queue", "model"],
        )
        reachable = GaugeMetricFamily("smimso_redis_up", "Whether Redis answers")
        try:
            depths, workers = queue_depths(), heartbeat.live_workers()
        except RedisError as error:
            logger.warning("Redis can't be reached: %s", error)
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

    def describe(self) -> list[Any]:
        """Without it, registering would ask Redis."""
        return []


SCRAPE_REGISTRY.register(_Redis())
