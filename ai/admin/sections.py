"""What the admin's page about the AI says of workers, queues and times."""

from typing import Any

from django.http import HttpRequest
from redis import RedisError

from ai import heartbeat, metrics
from ai.admin.page import Section, register_section
from ai.heartbeat import ModelState, WorkerState
from ai.services import blip_name, clip_name
from smimso.metrics import summarize

TIMES = {
    "smimso_ai_queue_wait_seconds",
    "smimso_ai_request_duration_seconds",
    "smimso_ai_decode_seconds",
    "smimso_ai_inference_seconds",
}
SIZES = "smimso_ai_batch_size"


def workers(request: HttpRequest) -> dict[str, Any]:
    try:
        live, depths = heartbeat.live_workers(), metrics.queue_depths()
    except RedisError:
        return {"redis_away": True}
    queues = [
        {"name": name, "depth": depth, "workers": sum(name in w.queues for w in live)}
        for name, depth in depths.items()
    ]
    return {"workers": [_shown(worker) for worker in live], "queues": queues}


def _shown(worker: WorkerState) -> dict[str, Any]:
    return {
        "name": worker.name.partition("@")[0],
        "process": worker.name.rpartition(":")[2],
        "queues": worker.queues,
        "device": worker.device,
        "dtype": worker.dtype,
        "models": [
            _model(worker.clip, clip_name()),
            *(_model(other, other.name) for other in worker.others),
            _model(worker.blip, blip_name()),
        ],
    }


def _model(model: ModelState, wanted: str) -> dict[str, Any]:
    return {
        "name": model.name,
        "loaded": model.loaded,
        "error": model.error or "",
        "other": model.name != wanted,
    }


def times(request: HttpRequest) -> dict[str, Any]:
    """Of all processes, since they were started."""
    found = summarize(TIMES | {SIZES})
    return {
        "waits": [s for s in found if s.name in TIMES],
        "sizes": [s for s in found if s.name == SIZES],
    }


def register_sections() -> None:
    register_section(Section(10, "admin/ai/_workers.html", workers))
    register_section(Section(40, "admin/ai/_times.html", times))
