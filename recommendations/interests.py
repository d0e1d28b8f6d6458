"""A member's interests, computed from the posts that the member liked, saved and viewed.

An interaction weighs WEIGHTS · 0.5 ** (age / HALF_LIFE). Similar ones form an interest: between
cats and cars lies nothing that somebody who likes both looks for (Pal et al. 2020, "PinnerSage").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
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
MAX_PER_KIND, MAX_INTERACTIONS = 200, 80  # the newest of each kind; of these, the weightiest
MAX_SEEN_PER_KIND = 500  # posts
MAX_INTERESTS = 4
BATCH_SIZE = 10_000  # members
MIN_SIMILARITY = 0.4  # score, 0..1, of an interaction and the first one of its interest


@dataclass(frozen=True)
class Interaction:
    """All that a member did with a post. vector: float32 [512] of unit length.

    kind: the weightiest kind. weight: the sum of all kinds.
    """

    post_id: UUID
    kind: InteractionKind
    weight: float
    vector: np.ndarray


@dataclass(frozen=True)
class Interest:
    """vector: float32 [512] of unit length. share: of the member's total weight, 0..1."""

    vector: np.ndarray
    share: float


def interactions_of(member: User, model: str) -> list[Interaction]:
    """Return the interactions with others' posts that the member may still see, weightiest first.

    Only posts with vectors of `model` count, and only interactions since the last reset.
    """
    weights: dict[UUID, float] = {}
    kinds: dict[UUID, InteractionKind] = {}
    now = timezone.now()
    for kind, rows in _newest_rows(member):
        for post_id, created_at in rows:
            age = max(0.0, (now - created_at) / HALF_LIFE)
            weights[post_id] = weights.get(post_id, 0.0) + WEIGHTS[kind] * 0.5**age
            kinds.setdefault(post_id, kind)
    weightiest = sorted(weights, key=lambda post_id: -weights[post_id])[:MAX_INTERACTIONS]
    vectors = _post_vectors(member, weightiest, model)
    return [
        Interaction(post_id, kinds[post_id], weights[post_id], vectors[post_id])
        for post_id in weightiest
        if post_id in vectors
    ]


def _newest_rows(member: User) -> Iterator[tuple[InteractionKind, QuerySet]]:
    """Yield (post id, time) of the newest interactions of each kind, the weightiest kind first."""
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
    """Return the posts that the member liked, saved or viewed lately, not to be recommended."""
    views = Activity.objects.filter(activity_type=ActivityType.VIEW)
    seen: set[UUID] = set()
    for rows in (Like.objects.all(), SavedPost.objects.all(), views):
        newest = rows.filter(user=member).order_by("-created_at")
        seen.update(newest.values_list("post_id", flat=True)[:MAX_SEEN_PER_KIND])
    return seen


def last_interaction_at(member: User) -> datetime | None:
    """Return when the member last liked or saved a post; views do not count."""
    tables: tuple[QuerySet, ...] = (Like.objects.all(), SavedPost.objects.all())
    times = [
        table.filter(user=member).order_by("-created_at").values_list("created_at", flat=True)[:1]
        for table in tables
    ]
    return max((time for newest in times for time in newest), default=None)


def _post_vectors(member: User, post_ids: list[UUID], model: str) -> dict[UUID, np.ndarray]:
    """Return the vector of each post's first embedded image."""
    images = PostImage.objects.visible_to(member).searchable(model).filter(post_id__in=post_ids)
    first = images.exclude(post__user=member).order_by("post_id", "display_order", "pk")
    return dict(first.distinct("post_id").values_list("post_id", AsNumpy("embedding")))


def interests_of(interactions: list[Interaction], model: str) -> list[Interest]:
    """Return up to MAX_INTERESTS interests, the weightiest first.

    Leader clustering (Hartigan 1975): an interaction joins the first interest whose first
    interaction is similar to it.
    """
    vectors = np.array([interaction.vector for interaction in interactions])
    min_cosine = score_to_cosine(MIN_SIMILARITY, "image", model)
    is_similar = (vectors @ vectors.T >= min_cosine).tolist()
    groups: dict[int, list[Interaction]] = {}  # by the number of the first interaction
    for n, interaction in enumerate(interactions):
        leader = next((leader for leader in groups if is_similar[leader][n]), n)
        groups.setdefault(leader, []).append(interaction)
    total = sum(interaction.weight for interaction in interactions)
    interests = [
        Interest(weighted_mean(group), sum(each.weight for each in group) / total)
        for group in groups.values()
    ]
    return sorted(interests, key=lambda interest: -interest.share)[:MAX_INTERESTS]


def weighted_mean(interactions: list[Interaction]) -> np.ndarray:
    """Return the weighted mean vector, float32 [512] of unit length."""
    mean = np.sum([each.weight * each.vector for each in interactions], axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


# --- Embeddings of members ----------------------------------------------------------------------


def update_embedding(member: User, interactions: list[Interaction], model: str) -> None:
    """Store the mean of all interactions, by which members are compared; none without any."""
    fields = {
        "vector": weighted_mean(interactions).tolist() if interactions else None,
        "vector_model": model if interactions else "",
        "learned_at": timezone.now(),
    }
    UserEmbedding.objects.bulk_create(
        [UserEmbedding(user=member, **fields)],
        update_conflicts=True,
        unique_fields=["user"],
        update_fields=list(fields),
    )


def refresh_stale(*, limit: int = BATCH_SIZE) -> int:
    """Update embeddings that are out of date, the oldest first; return their number.

    An embedding is out of date if the member did something since, or if it is in the space of a
    previous model, where members are no longer compared. With the oldest first, it is everyone's
    turn in the end.
    """
    newer = Activity.objects.filter(user=OuterRef("pk")).filter(
        Q(created_at__gt=OuterRef("user_embedding__learned_at"))
        | Q(user__user_embedding__learned_at=None)
    )
    other_model = Q(user_embedding__vector_model__gt="") & ~Q(
        user_embedding__vector_model=ai.clip_name()
    )
    oldest_first = F("user_embedding__learned_at").asc(nulls_first=True)
    stale = User.objects.active().filter(Exists(newer) | other_model).order_by(oldest_first, "pk")
    members = list(stale[:limit])
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
    """Ignore the member's interactions until now. Likes and saves themselves stay."""
    fields = {"forgotten_at": timezone.now(), "vector": None, "vector_model": ""}
    UserEmbedding.objects.update_or_create(user=member, defaults=fields)
