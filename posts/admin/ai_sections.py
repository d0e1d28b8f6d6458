"""Sections of `/admin/ai/` on images: progress of the AI processing, and failures."""

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
from posts.models import UNFINISHED, AIStatus, PostImage
from smimso.queues import CAPTION, EMBED

MAX_REASONS, MAX_RECENT = 10, 10


def images(request: HttpRequest) -> dict[str, Any]:
    """Return counts by state and by model, and estimates of the remaining time."""
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
    elsewhere = _count_hosted_elsewhere()
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
        "steps": [_step_context(EMBED, pending), _step_context(CAPTION, uncaptioned)],
        "embedded": sorted(embedded.items(), key=lambda item: -item[1]),
        "captioned": sorted(captioned.items(), key=lambda item: -item[1]),
    }


def _count_hosted_elsewhere() -> dict[str, int]:
    """Count unfinished images hosted elsewhere, which workers cannot read, by state."""
    rows = PostImage.objects.filter(image_path="", ai_status__in=UNFINISHED).order_by()
    counts = dict(rows.values_list("ai_status").annotate(count=Count("pk")))
    return {state: counts.get(state, 0) for state in UNFINISHED}


def _step_context(step: str, waiting: int) -> dict[str, object]:
    try:
        throughput = metrics.throughput(step)
    except RedisError:
        throughput = 0.0
    return {
        "step": step,
        "waiting": waiting,
        "throughput": throughput,
        "remaining": remaining_time(waiting, throughput),
    }


def remaining_time(waiting: int, throughput: float) -> str:
    """Return a duration in words; empty if it is unknown. throughput: images per minute."""
    if not waiting:
        return gettext("no images waiting")
    if not throughput:
        return ""
    now = timezone.now()
    minutes = min(waiting / throughput, 10 * 365 * 24 * 60.0)
    if minutes < 1:
        return gettext("less than a minute")
    return timesince(now, now + timedelta(minutes=minutes))


def failures(request: HttpRequest) -> dict[str, Any]:
    """Return the reasons of failures with their counts, and the most recent failed images."""
    failed = PostImage.objects.failed().order_by()
    reasons = failed.values("reason").annotate(  # type: ignore[misc]
        count=Count("pk"),
        newest=Max("ai_queued_at"),
        stored=Count("pk", filter=~Q(image_path="")),
    )
    recent = failed.select_related("post").without_vectors()
    return {
        "reasons": reasons.order_by("-count", "reason")[:MAX_REASONS],  # type: ignore[misc]
        "recent": recent.order_by(F("ai_queued_at").desc(nulls_last=True), "-pk")[:MAX_RECENT],
        "can_retry": request.user.has_perm("posts.change_postimage"),
    }


@require_POST
@staff_required("posts.change_postimage")
def retry_failed(request: HttpRequest) -> HttpResponse:
    """Retry all images that failed for `reason`, or without one all failed images."""
    count = services.retry_failed(request.POST.get("reason"))
    if count:
        text = ngettext(
            "%(count)d image is queued for the AI again.",
            "%(count)d images are queued for the AI again.",
            count,
        )
        messages.success(request, text % {"count": count})
    else:
        messages.warning(request, gettext("There are no such failures to retry."))
    return redirect("ai-admin")


def register_sections() -> None:
    register_section(Section(20, "admin/ai/_images.html", images))
    register_section(Section(30, "admin/ai/_failures.html", failures))
