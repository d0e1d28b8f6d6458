"""What the admin's page about the AI says of images: how far they are, and what failed."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, F, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST
from redis import RedisError

from ai import metrics
from ai.admin.page import Section, register_section, staff_required
from posts import services
from posts.models import AIStatus, PostImage
from smimso.queues import CAPTION, EMBED

REASONS, RECENT = 10, 10
UNFINISHED = (AIStatus.PENDING, AIStatus.EMBEDDED)


def images(request: HttpRequest) -> dict[str, Any]:
    """Counts by state and by model, and how long the rest will take."""
    states = dict.fromkeys(AIStatus.values, 0)
    embedded: dict[str, int] = {}
    captioned: dict[str, int] = {}
    groups = PostImage.objects.order_by().values_list(
        "ai_status", "embedding_model", "caption_model"
    )
    for state, embedding_model, caption_model, count in groups.annotate(count=Count("pk")):
        states[state] += count
        for model, counts in ((embedding_model, embedded), (caption_model, captioned)):
            if model:
                counts[model] = counts.get(model, 0) + count
    elsewhere = _stored_elsewhere()
    pending = states[AIStatus.PENDING] - elsewhere[AIStatus.PENDING]
    uncaptioned = pending + states[AIStatus.EMBEDDED] - elsewhere[AIStatus.EMBEDDED]
    total = sum(states.values())
    return {
        "total": total,
        "states": [
            {"state": state, "count": states[state], "percent": 100 * states[state] / (total or 1)}
            for state in (AIStatus.DONE, AIStatus.EMBEDDED, AIStatus.PENDING, AIStatus.FAILED)
        ],
        "elsewhere": sum(elsewhere.values()),
        "steps": [_step(EMBED, pending), _step(CAPTION, uncaptioned)],
        "embedded": sorted(embedded.items(), key=lambda item: -item[1]),
        "captioned": sorted(captioned.items(), key=lambda item: -item[1]),
    }


def _stored_elsewhere() -> dict[str, int]:
    """Unfinished images of other sites: no worker can read them, so they wait for nothing."""
    rows = PostImage.objects.filter(image_path="", ai_status__in=UNFINISHED).order_by()
    counts = dict(rows.values_list("ai_status").annotate(count=Count("pk")))
    return {state: counts.get(state, 0) for state in UNFINISHED}


def _step(step: str, waiting: int) -> dict[str, Any]:
    try:
        pace = metrics.throughput(step)
    except RedisError:
        pace = 0.0
    return {"step": step, "waiting": waiting, "pace": pace, "left": time_left(waiting, pace)}


def time_left(waiting: int, pace: float) -> str:
    """In words; empty when nobody can know. pace: images per minute."""
    if not waiting:
        return gettext("nothing waits")
    if not pace:
        return ""
    now = timezone.now()
    minutes = min(waiting / pace, 10 * 365 * 24 * 60.0)
    if minutes < 1:
        return gettext("less than a minute")
    return timesince(now, now + timedelta(minutes=minutes))


def failures(request: Any) -> dict[str, Any]:
    """Why, how often, and which were the last."""
    failed = PostImage.objects.failed().order_by()
    reasons = failed.values("reason").annotate(  # type: ignore[misc]
        count=Count("pk"),
        newest=Max("ai_queued_at"),
        stored=Count("pk", filter=~Q(image_path="")),
    )
    recent = failed.select_related("post").without_vectors()
    return {
        "reasons": reasons.order_by("-count", "reason")[:REASONS],  # type: ignore[misc]
        "recent": recent.order_by(F("ai_queued_at").desc(nulls_last=True), "-pk")[:RECENT],
        "may_retry": request.user.has_perm("posts.change_postimage"),
    }


@require_POST
@staff_required("posts.change_postimage")
def retry_failed(request: HttpRequest) -> HttpResponse:
    """All that failed for `reason`; all that failed, without one."""
    count = services.retry_failed(request.POST.get("reason"))
    if count:
        text = ngettext(
            "%(count)d image waits for the AI again.",
            "%(count)d images wait for the AI again.",
            count,
        )
        messages.success(request, text % {"count": count})
    else:
        messages.warning(request, gettext("There is nothing of that kind to try again."))
    return redirect("ai-admin")


def register_sections() -> None:
    register_section(Section(20, "admin/ai/_images.html", images))
    register_section(Section(30, "admin/ai/_failures.html", failures))
