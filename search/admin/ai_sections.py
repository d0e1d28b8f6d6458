"""Search sections of `/admin/ai/`: current model, re-embedding progress, measured recall."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ai import vector_space
from ai.admin.page import Section, register_section, staff_required
from ai.models import State
from ai.presets import PRESETS
from search.models import QueryKind, RecallMeasurement
from search.reembedding import services as reembedding
from search.reembedding.progress import Progress, current_progress
from smimso.errors import InvalidInput

PERMISSION = "ai.change_model"
ACTIONS = {
    "try_again": reembedding.retry_failed,
    "go_on": reembedding.accept_losses,
    "cancel": reembedding.cancel,
    "roll_back": reembedding.roll_back,
    "finish": reembedding.purge_previous,
}


def search_section(request: HttpRequest) -> dict[str, object]:
    change = current_progress()
    measurements = RecallMeasurement.objects.order_by("query_kind", "-measured_at")
    return {
        "searched": vector_space.active_space().name,
        "change": change,
        "state": _(State(change.state).label) if change else "",
        "waits_for": _translated(change.note) if change else "",
        "minutes_left": _minutes_left(change) if change else None,
        "percent": _percent(change) if change else 0,
        "measured": measurements.distinct("query_kind")[: len(QueryKind)],
    }


def _translated(note: str) -> str:
    text, colon, details = note.partition(":")
    return f"{_(text)}{colon}{details}" if text else ""


def _percent(change: Progress) -> int:
    return 100 * (change.done + change.unreadable) // max(1, change.total)


def _minutes_left(change: Progress) -> float | None:
    """Estimate by the rate since the change began; None if there is no rate yet."""
    if change.state != State.BACKFILLING or not change.done or not change.remaining:
        return None
    passed = (timezone.now() - change.since).total_seconds()
    return change.remaining * passed / change.done / 60


def model_section(request: HttpRequest) -> dict[str, object]:
    """Return what the operator may do now: start a change, or one of ACTIONS."""
    change = current_progress()
    searched = vector_space.active_space().name
    return {
        "allowed": request.user.has_perm(PERMISSION),
        "change": change,
        "state": change.state if change else "",
        "presets": [preset for preset in PRESETS.values() if preset.name != searched],
    }


@require_POST
@staff_required(PERMISSION)
def change_model(request: HttpRequest) -> HttpResponse:
    """Run the posted `action`: one of ACTIONS, or "start" with a preset's key as `model`."""
    action, key = request.POST.get("action", ""), request.POST.get("model", "")
    try:
        if action == "start" and key in PRESETS:
            reembedding.start(key)
        elif action in ACTIONS:
            ACTIONS[action]()
        else:
            raise InvalidInput("unknown_action")
    except InvalidInput as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The change will start in a few seconds."))
    return redirect("ai-admin")


def register_sections() -> None:
    register_section(Section(25, "admin/ai/_search.html", search_section))
    register_section(Section(50, "admin/ai/_model.html", model_section, live=False))
