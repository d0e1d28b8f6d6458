"""Prometheus metrics: what all processes of an installation counted, as one answer.

Each process that serves writes memory-mapped files of its own in settings.METRICS_DIR, and web adds
them up when it is asked (prometheus_client, "Multiprocess Mode"). Commands, and whoever else never
calls `share`, keep their numbers to themselves.
"""

import fcntl
import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import REGISTRY as OWN
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger(__name__)

SCRAPE_REGISTRY = CollectorRegistry()  # what is the same whichever process looks, like queues
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
REQUESTS = Counter(
    "smimso_http_requests_total", "Requests that web answered", ["method", "route", "status"]
)
REQUEST_SECONDS = Histogram(
    "smimso_http_request_duration_seconds",
    "From a request to the head of its answer",
    ["method", "route"],
    buckets=[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
)
_is_multiprocess = False
_slot: tuple[int, str] | None = None  # the process that has it, and its name


# --- Processes ------------------------------------------------------------------------------


def enable_multiprocess() -> None:
    """Adds this process's numbers to the common ones; call it before anything is counted."""
    global _is_multiprocess
    directory: Path = settings.METRICS_DIR
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _slot_name()
    except OSError as error:
        logger.warning("The metrics of this process are not shared: %s", error)
        return
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    values.ValueClass = values.MultiProcessValue(_slot_name)
    _is_multiprocess = True


def _slot_name() -> str:
    """A name for this process's files that no other living one has, whatever container it is in.

    That of a process which has ended is taken over, with its numbers: there are never more files
    than processes have run at the same time, however often one is started again.
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
            break  # open, and locked, until this process ends
    return str(number)


def clear() -> None:
    """Removes the numbers of processes that have ended. Only when none is running."""
    for path in (*settings.METRICS_DIR.glob("*.db"), *settings.METRICS_DIR.glob("*.lock")):
        path.unlink(missing_ok=True)


def render() -> bytes:
    """Prometheus' text format."""
    return generate_latest(_shared_registry()) + generate_latest(SCRAPE_REGISTRY)


def _shared_registry() -> CollectorRegistry:
    if not _is_multiprocess:
        return OWN
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(settings.METRICS_DIR))
    return registry


@dataclass(frozen=True)
class Summary:
    """A histogram with its labels, as a person wants it.

    p95: the bound that 95 % did not exceed; infinite above the last one.
    """

    name: str
    labels: tuple[str, ...]
    count: int
    mean: float
    p95: float

    @property
    def has_p95(self) -> bool:
        return math.isfinite(self.p95)


def summarize(names: Collection[str]) -> list[Summary]:
    """Of these histograms, in the order of their names and labels."""
    found: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
    for family in _shared_registry().collect():
        if family.name not in names:
            continue
        for sample in family.samples:
            labels = {key: value for key, value in sample.labels.items() if key != "le"}
            parts = found.setdefault((family.name, tuple(labels.values())), {"bounds": []})
            if "le" in sample.labels:
                parts["bounds"].append((float(sample.labels["le"]), sample.value))
            else:
                parts[sample.name.removeprefix(f"{family.name}_")] = sample.value
    return [_summarize_one(*key, **parts) for key, parts in sorted(found.items()) if parts["count"]]


def _summarize_one(
    name: str, labels: tuple[str, ...], *, bounds: list[tuple[float, float]], **parts: float
) -> Summary:
    count = parts["count"]
    enough = [bound for bound, number in sorted(bounds) if number >= 0.95 * count]
    return Summary(name, labels, int(count), parts["sum"] / count, enough[0])


@never_cache
@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """For Prometheus with settings.METRICS_TOKEN, and for staff. Nobody else finds it."""
    if not (_has_token(request) or _is_staff(request)):
        raise Http404
    return HttpResponse(render(), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").encode(errors="replace")
    wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
    return bool(settings.METRICS_TOKEN) and secrets.compare_digest(given, wanted)


def _is_staff(request: HttpRequest) -> bool:
    user: Any = request.user
    return user.is_authenticated and user.is_active and user.is_staff


# --- Requests -------------------------------------------------------------------------------


def metrics_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware: counts and times what web answers."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        return _observe(request, get_response(request), time.perf_counter() - began)

    return answer


def _observe(request: HttpRequest, response: HttpResponseBase, seconds: float) -> HttpResponseBase:
    """Labels have few values, whatever is sent: the route's pattern, never the path."""
    method = request.method if request.method in METHODS else "other"
    found = request.resolver_match
    route = f"/{found.route.removeprefix('api/')}" if found else "none"
    REQUESTS.labels(method, route, response.status_code).inc()
    REQUEST_SECONDS.labels(method, route).observe(seconds)
    return response
