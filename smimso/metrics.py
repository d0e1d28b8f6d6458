"""Prometheus metrics: the numbers of all processes of an installation, added up at `/metrics`.

Each process that serves writes memory-mapped files of its own in settings.METRICS_DIR, and web adds
them up for each scrape (prometheus_client, "Multiprocess Mode"). A process that never calls
`enable_multiprocess`, like a management command, has numbers of its own.
"""

import fcntl
import logging
import math
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import count
from operator import itemgetter
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import REGISTRY as OWN
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger(__name__)

SCRAPE_REGISTRY = CollectorRegistry()  # values read from Redis, the same in all processes
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
REQUESTS = Counter(
    "smimso_http_requests_total", "HTTP requests answered", ["method", "route", "status"]
)
REQUEST_SECONDS = Histogram(
    "smimso_http_request_duration_seconds",
    "Time from a request to the head of its response",
    ["method", "route"],
    buckets=[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
)
is_multiprocess = False
_slot: tuple[int, str] | None = None  # process id and slot name


# --- Processes ------------------------------------------------------------------------------


def enable_multiprocess() -> None:
    """Add this process's numbers to the shared ones; call it before anything is counted.

    If METRICS_DIR cannot be written, log a warning and count for this process alone.
    """
    global is_multiprocess
    directory: Path = settings.METRICS_DIR
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _slot_name()
    except OSError as error:
        logger.warning("The metrics of this process are not shared: %s", error)
        return
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    values.ValueClass = values.MultiProcessValue(_slot_name)
    is_multiprocess = True


def _slot_name() -> str:
    """Return a name for this process's files that no other live process uses, in any container.

    The slot of a process that has ended is reused with its numbers, so there are never more files
    than processes have run at the same time, however often one is restarted.
    """
    global _slot
    if _slot is None or _slot[0] != os.getpid():
        _slot = os.getpid(), _acquire_slot(settings.METRICS_DIR)
    return _slot[1]


def _acquire_slot(directory: Path) -> str:
    for number in count():
        lock = os.open(directory / f"{number}.lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            break  # the file stays open, and locked, until this process ends
    return str(number)


def clear() -> None:
    """Remove the numbers of earlier processes. Call it only while no process is running."""
    for path in (*settings.METRICS_DIR.glob("*.db"), *settings.METRICS_DIR.glob("*.lock")):
        path.unlink(missing_ok=True)


def render() -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(_shared_registry()) + generate_latest(SCRAPE_REGISTRY)


def _shared_registry() -> CollectorRegistry:
    if not is_multiprocess:
        return OWN
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(settings.METRICS_DIR))
    return registry


@dataclass(frozen=True)
class Summary:
    """One label set of a histogram, summarized for people.

    p95: upper bound of the bucket that holds the 95th percentile; infinite above the last bound.
    """

    name: str
    labels: tuple[str, ...]
    count: int
    mean: float
    p95: float

    @property
    def has_p95(self) -> bool:
        return math.isfinite(self.p95)


@dataclass
class _Samples:
    """The samples of one label set. buckets: (upper bound, cumulative count)."""

    buckets: list[tuple[float, float]] = field(default_factory=list)
    count: float = 0.0
    sum: float = 0.0


def summarize(names: Collection[str]) -> list[Summary]:
    """Summarize these histograms, sorted by name and labels; empty ones are left out."""
    collected: dict[tuple[str, tuple[str, ...]], _Samples] = defaultdict(_Samples)
    for family in _shared_registry().collect():
        if family.name not in names:
            continue
        for sample in family.samples:
            labels = [value for key, value in sample.labels.items() if key != "le"]
            samples = collected[family.name, tuple(labels)]
            if "le" in sample.labels:
                samples.buckets.append((float(sample.labels["le"]), sample.value))
            elif sample.name.endswith("_count"):
                samples.count = sample.value
            elif sample.name.endswith("_sum"):
                samples.sum = sample.value
    return [
        Summary(*key, int(each.count), each.sum / each.count, _p95(each))
        for key, each in sorted(collected.items(), key=itemgetter(0))
        if each.count
    ]


def _p95(samples: _Samples) -> float:
    buckets = sorted(samples.buckets)
    return next(bound for bound, count in buckets if count >= 0.95 * samples.count)


@never_cache
@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """Serve Prometheus with settings.METRICS_TOKEN, and staff. Everyone else gets 404."""
    if not (_has_token(request) or _is_staff(request)):
        raise Http404
    return HttpResponse(render(), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    sent = request.headers.get("Authorization", "").encode(errors="replace")
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    return bool(settings.METRICS_TOKEN) and secrets.compare_digest(sent, expected)


def _is_staff(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_staff  # an AnonymousUser is neither


# --- Requests -------------------------------------------------------------------------------


def metrics_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Count and time the requests (Django middleware)."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = get_response(request)
        _observe(request, response, time.perf_counter() - started)
        return response

    return respond


def _observe(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    """Record a response. Labels have few values: the route's pattern, never the path."""
    method = request.method if request.method in METHODS else "other"
    match = request.resolver_match
    route = f"/{match.route.removeprefix('api/')}" if match else "none"
    REQUESTS.labels(method, route, response.status_code).inc()
    REQUEST_SECONDS.labels(method, route).observe(seconds)
