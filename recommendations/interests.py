"""What a member likes to see: interests, learned from what the member liked, saved and looked at.

Each deed weighs WEIGHTS · 0.5 ** (age / HALF_LIFE). Deeds that are alike make one interest: between
cats and cars lies nothing that a lover of both looks for (Pal et al. 2020, "PinnerSage").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import numpy as np
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from ai import services as ai
from ai.calibration import score_to_cosine
from ai.vector_space import in_one_vector_space
from posts.ingest.embeddings import AsNumpy
from posts.models import Activity, ActivityType, Like, PostImage, SavedPost
from recommendations.models import UserEmbedding
from smimso.celery import send_task

InteractionKind = Literal["liked", "saved", "viewed"]

WEIGHTS: dict[InteractionKind, float] = {"saved": 1.5, "liked": 1.0, "viewed": 0.2}
HALF_LIFE = timedelta(days=30)
MAX_PER_KIND, MAX_INTERACTIONS = 200, 80  # the newest of each kind; of these the weightiest
MAX_SEEN_PER_KIND = 500  # posts of a kind that need no recommendation
MAX_INTERESTS = 4
BATCH_SIZE = 10_000  # members
MIN_SIMILARITY = 0.4  # similarity score, 0..1, of a deed and the first of its interest


@dataclass(frozen=True)
class Interaction:
    """vector: float32 [512], of unit length. kind: the weightiest that was done with the post."""

    post_id: UUID
    kind: InteractionKind
    weight: float
    vector: np.ndarray


@dataclass(frozen=True)
class Interest:
    """vector: float32 [512], of unit length. share: of all the member's weight, 0..1."""

    vector: np.ndarray
    share: float


def interactions_of(member: User, model: str) -> list[Interaction]:
    """The weightiest first; of other members' posts that the member may still see.

    Only vectors of `model`, and nothing from before the member asked to forget.
    """
    weights: dict[UUID, float] = {}
    kinds: dict[UUID, InteractionKind] = {}
    now = timezone.now()
    for kind, rows in _newest_rows(member):
        for post_id, when in rows:
            age = max(0.0, (now - when) / HALF_LIFE)
            weights[post_id] = weights.get(post_id, 0.0) + WEIGHTS[kind] * 0.5**age
            kinds.setdefault(post_id, kind)
    chosen = sorted(weights, key=lambda post_id: -weights[post_id])[:MAX_INTERACTIONS]
    vectors = _post_vectors(member, chosen, model)
    return [
        Interaction(post_id, kinds[post_id], weights[post_id], vectors[post_id])
        for post_id in chosen
        if post_id in vectors
    ]


def _newest_rows(member: User) -> Iterator[tuple[InteractionKind, Any]]:
    """Post and time of the newest deeds, the weightiest kind first."""
    views = Activity.objects.filter(activity_type=ActivityType.VIEW)
    tables: list[tuple[InteractionKind, QuerySet]] = [
        ("saved", SavedPost.objects.all()),
        ("liked", Like.objects.all()),
        ("viewed", views),
    ]
    since = last_reset_at(member)
    for kind, table in tables:
        rows = table.filter(user=member)
        if since is not None:
            rows = rows.filter(created_at__gt=since)
        newest = rows.order_by("-created_at").values_list("post_id", "created_at")
        yield kind, newest[:MAX_PER_KIND]


def seen_posts(member: User) -> set[UUID]:
    """Posts that the member liked, saved or saw lately: they need no recommendation."""
    views = Activity.objects.filter(activity_type=ActivityType.VIEW)
    known: set[UUID] = set()
    for rows in (Like.objects.all(), SavedPost.objects.all(), views):
        mine = rows.filter(user=member).order_by("-created_at")
        known.update(mine.values_list("post_id", flat=True)[:MAX_SEEN_PER_KIND])
    return known


def last_interaction_at(member: User) -> datetime | None:
    """When the member last liked or saved a post."""
    tables: tuple[QuerySet, ...] = (Like.objects.all(), SavedPost.objects.all())
    moments = [
        table.filter(user=member).order_by("-created_at").values_list("created_at", flat=True)[:1]
        for table in tables
    ]
    return max((moment for some in moments for moment in some), default=None)


def _post_vectors(member: User, post_ids: list[UUID], model: str) -> dict[UUID, np.ndarray]:
    """Of each post's first embedded image."""
    images = PostImage.objects.visible_to(member).searchable(model).filter(post_id__in=post_ids)
    first = images.exclude(post__user=member).order_by("post_id", "display_order", "pk")
    return dict(first.distinct("post_id").values_list("post_id", AsNumpy("embedding")))


def interests_of(deeds: list[Interaction], model: str) -> list[Interest]:
    """At most MOST_INTERESTS, the weightiest first.

    Leader clustering (Hartigan 1975): a deed joins the first interest whose first deed is like it.
    """
    vectors = np.array([deed.vector for deed in deeds])
    alike = (vectors @ vectors.T >= score_to_cosine(MIN_SIMILARITY, "image", model)).tolist()
    groups: dict[int, list[Interaction]] = {}  # by the number of the first deed
    for n, deed in enumerate(deeds):
        first = next((first for first in groups if alike[first][n]), n)
        groups.setdefault(first, []).append(deed)
    total = sum(deed.weight for deed in deeds)
    interests = [
        Interest(weighted_mean(group), sum(deed.weight for deed in group) / total)
        for group in groups.values()
    ]
    return sorted(interests, key=lambda interest: -interest.share)[:MAX_INTERESTS]


def weighted_mean(deeds: list[Interaction]) -> np.ndarray:
    """Weighted, float32 [512], of unit length."""
    mean = np.sum([deed.weight * deed.vector for deed in deeds], axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def update_embedding(member: User, deeds: list[Interaction], model: str) -> None:
    """Keeps the mean of all deeds, by which members are compared; none without deeds."""
    learned = {
        "vector": weighted_mean(deeds).tolist() if deeds else None,
        "vector_model": model if deeds else "",
        "learned_at": timezone.now(),
    }
    UserEmbedding.objects.bulk_create(
        [UserEmbedding(user=member, **learned)],
        update_conflicts=True,
        unique_fields=["user"],
        update_fields=list(learned),
    )


def refresh_stale(*, most: int = BATCH_SIZE) -> int:
    """Learns anew of members who did something since it was last learned; their number.

    And of those whose taste is in the space of a former model, in which nobody is compared now.
    First of those of whom it was learned longest ago: in the end it is everyone's turn.
    """
    newer = Activity.objects.filter(user=OuterRef("pk")).filter(
        Q(created_at__gt=OuterRef("user_embedding__learned_at"))
        | Q(user__user_embedding__learned_at=None)
    )
    former = Q(user_embedding__vector_model__gt="") & ~Q(
        user_embedding__vector_model=ai.clip_name()
    )
    longest_ago = F("user_embedding__learned_at").asc(nulls_first=True)
    due = User.objects.active().filter(Exists(newer) | former).order_by(longest_ago, "pk")
    members = list(due[:most])
    for member in members:
        _refresh(member)
    return len(members)


def schedule_refresh() -> None:
    """Queue the update now. If Redis is unreachable, the nightly run does it."""
    send_task("search.tasks.learn_tastes")


@in_one_vector_space
def _refresh(member: User) -> None:
    model = ai.clip_name()
    update_embedding(member, interactions_of(member, model), model)


def last_reset_at(member: User) -> datetime | None:
    return UserEmbedding.objects.filter(user=member).values_list("forgotten_at", flat=True).first()


def reset(member: User) -> None:
    """What the member did until now says nothing any more. Likes and saves stay."""
    forgotten = {"forgotten_at": timezone.now(), "vector": None, "vector_model": ""}
    UserEmbedding.objects.update_or_create(user=member, defaults=forgotten)
