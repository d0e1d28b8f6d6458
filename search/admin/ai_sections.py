"""What the admin's page about the AI says of search: its model, another one's way in, recall."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ai import vector_space
from ai.admin.page import Section, register_section, staff_required
from ai.models import State
from ai.presets import PRESETS
from search.models import QueryKind, RecallMeasurement
from search.reembedding import services
from search.reembedding.progress import Progress, current_progress
from smimso.errors import InvalidInput

PERMISSION = "ai.change_model"
ACTIONS = {
    "try_again": services.retry_failed,
    "go_on": services.accept_losses,
    "cancel": services.cancel,
    "roll_back": services.roll_back,
    "finish": services.purge_previous,
}


def search(request: Any) -> dict[str, Any]:
    change = current_progress()
    measured = RecallMeasurement.objects.order_by("query_kind", "-measured_at")
    return {
        "searched": vector_space.active_space().name,
        "change": change,
        "state": _(State(change.state).label) if change else "",
        "waits_for": _translated(change.note) if change else "",
        "minutes_left": _minutes_left(change) if change else None,
        "percent": 100 * (change.done + change.given_up) // max(1, change.total) if change else 0,
        "measured": measured.distinct("query_kind")[: len(QueryKind)],
    }


def _translated(note: str) -> str:
    text, colon, details = note.partition(":")
    return f"{_(text)}{colon}{details}" if text else ""


def _minutes_left(change: Progress) -> float | None:
    """At the rate since the change began; None before there is one."""
    if change.state != State.BACKFILLING or not change.done or not change.left:
        return None
    passed = (timezone.now() - change.since).total_seconds()
    return change.left * passed / change.done / 60


def model(request: Any) -> dict[str, Any]:
    """What may be done now: begin with another model, or something of ACTIONS."""
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
def change_model(request: Any) -> HttpResponse:
    """`action` is one of ACTIONS, or "start" with a preset's key as `model`."""
    action, key = request.POST.get("action", ""), request.POST.get("model", "")
    try:
        if action == "start" and key in PRESETS:
            services.start(key)
        elif action in ACTIONS:
            ACTIONS[action]()
        else:
            raise InvalidInput("unknown_action")
    except InvalidInput as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("It begins within seconds."))
    return redirect("ai-admin")


def register_sections() -> None:
    register_section(Section(25, "admin/ai/_search.html", search))
    register_section(Section(50, "admin/ai/_model.html", model, live=False))
