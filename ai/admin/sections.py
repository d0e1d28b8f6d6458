"""Sections of `/admin/ai/`: workers, queues and durations."""

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from redis import RedisError

from ai import heartbeat, metrics
from ai.admin.page import Section, register_section
from ai.heartbeat import ModelState, WorkerState
from ai.services import blip_name, clip_name
from smimso.metrics import summarize

DURATIONS = {
    "smimso_ai_queue_wait_seconds": _("Queue wait"),
    "smimso_ai_request_duration_seconds": _("Reply to a request"),
    "smimso_ai_decode_seconds": _("Image decoding"),
    "smimso_ai_inference_seconds": _("Model call"),
}
BATCH_SIZES = "smimso_ai_batch_size"


def workers(request: HttpRequest) -> dict[str, object]:
    try:
        live, depths = heartbeat.live_workers(), metrics.queue_depths()
    except RedisError:
        return {"redis_is_down": True}
    queues = [
        {"name": name, "depth": depth, "workers": sum(name in w.queues for w in live)}
        for name, depth in depths.items()
    ]
    return {"workers": [_worker_context(worker) for worker in live], "queues": queues}


def _worker_context(worker: WorkerState) -> dict[str, object]:
    return {
        "name": worker.name.partition("@")[0],
        "process": worker.name.rpartition(":")[2],
        "queues": worker.queues,
        "device": worker.device,
        "dtype": worker.dtype,
        "models": [
            _model_context(worker.clip, clip_name()),
            *(_model_context(other, other.name) for other in worker.others),
            _model_context(worker.blip, blip_name()),
        ],
    }


def _model_context(model: ModelState, configured: str) -> dict[str, object]:
    return {
        "name": model.name,
        "loaded": model.loaded,
        "error": model.error or "",
        "is_other": model.name != configured,
    }


def times(request: HttpRequest) -> dict[str, object]:
    """Summarize the durations and batch sizes of all processes since they started."""
    summaries = summarize({*DURATIONS, BATCH_SIZES})
    return {
        "durations": [(DURATIONS[s.name], s) for s in summaries if s.name in DURATIONS],
        "sizes": [s for s in summaries if s.name == BATCH_SIZES],
    }


def register_sections() -> None:
    register_section(Section(10, "admin/ai/_workers.html", workers))
    register_section(Section(40, "admin/ai/_times.html", times))
