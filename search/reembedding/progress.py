"""Progress of a re-embedding, in numbers of images, and whether it may be completed."""

from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from django.db.models import Count, Q

from ai.models import Column, State, VectorSpace
from posts.ingest import embeddings

MAX_LOSS_SHARE = 0.01  # of all images; if more would drop out of search, an operator decides
# Counting reads the whole table. Counts that take longer than MIN_CACHED_SECONDS are cached for
# CACHE_FACTOR times as long as they took.
CACHE_FACTOR, MIN_CACHED_SECONDS = 20, 0.25


@dataclass(frozen=True)
class Progress:
    """The state of a change from one model to another, as numbers of images.

    searched, secondary: names of the models. done: images with vectors of both, out of total.
    unreadable: given up, because their files can't be read. without_file: hosted elsewhere.
    losses: searched now, but not after switching over; accepted_losses: so many an operator has
    accepted. note: what the change is waiting for.
    """

    searched: str
    secondary: str
    state: str
    since: datetime
    total: int
    done: int
    unreadable: int
    without_file: int
    losses: int
    accepted_losses: int
    note: str

    @property
    def remaining(self) -> int:
        return self.total - self.done - self.unreadable

    @property
    def needs_decision(self) -> bool:
        """Return True if all has been tried and more images than accepted would be lost."""
        tolerated = int(MAX_LOSS_SHARE * (self.total + self.without_file))
        is_tried = self.state == State.BACKFILLING and not self.remaining
        return is_tried and self.losses > max(self.accepted_losses, tolerated)


def current_progress(*, fresh: bool = False) -> Progress | None:
    """Return None if there are vectors of one model only.

    The numbers of a large table may be some seconds old, unless they have to be fresh.
    """
    rows = {row.column: row for row in VectorSpace.objects.all()}
    secondary = rows.get(Column.SECONDARY)
    if secondary is None:
        return None
    searched = rows[Column.SEARCHED].name
    counts = _counts(searched, secondary, fresh=fresh)
    return Progress(
        searched=searched,
        secondary=secondary.name,
        state=secondary.state,
        since=secondary.since,
        total=counts["total"],
        done=counts["total"] - counts["missing"],
        unreadable=counts["unreadable"],
        without_file=counts["without_file"],
        losses=counts["losses"],
        accepted_losses=secondary.accepted_losses,
        note=secondary.note,
    )


_CacheKey = tuple[str, str, str, int] | None
_NOT_COUNTED: tuple[_CacheKey, float, dict[str, int]] = (None, 0.0, {})  # key, expiry, counts
_cached = _NOT_COUNTED


def reset_cache() -> None:
    """Forget the latest counts, as when the tables were changed by other means."""
    global _cached
    _cached = _NOT_COUNTED


def _counts(searched: str, secondary: VectorSpace, *, fresh: bool) -> dict[str, int]:
    global _cached
    key = (searched, secondary.name, secondary.state, secondary.retry_rounds)
    cached_key, expires_at, counts = _cached
    began = monotonic()
    if fresh or cached_key != key or began > expires_at:
        counts = _count(searched, secondary)
        took = monotonic() - began
        _cached = (key, began + took * CACHE_FACTOR * (took > MIN_CACHED_SECONDS), counts)
    return counts


def _count(searched: str, secondary: VectorSpace) -> dict[str, int]:
    """Count in one pass over the table."""
    has_file = ~Q(image_path="")
    lost = Q(embedding_model=searched) & ~Q(next_embedding_model=secondary.name)
    missing = has_file & (~Q(embedding_model=searched) | lost)
    if secondary.state == State.PURGING:
        missing = lost = Q(pk__in=[])
    unreadable = missing & Q(fill_attempts__gte=embeddings.max_attempts())
    return embeddings.with_any_vector().aggregate(
        total=Count("pk", filter=has_file),
        missing=Count("pk", filter=missing),
        unreadable=Count("pk", filter=unreadable),
        without_file=Count("pk", filter=~has_file),
        losses=Count("pk", filter=lost),
    )
