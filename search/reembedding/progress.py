"""How far a change of the model is, and whether it may be completed: numbers of images."""

from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.db.models import Count, Q

from ai.models import Column, State, VectorSpace
from posts.ingest import embeddings

MAX_LOSS_SHARE = 0.01  # of all images; of more an operator decides
# A count reads the whole table: it is kept so many times as long as it took, unless that is little.
CACHE_FACTOR, MIN_CACHED_SECONDS = 20, 0.25


@dataclass(frozen=True)
class Progress:
    """searched, beside: names of models. done of total images have a vector of both.

    given_up: images that the other model can't be shown, as their file can't be read.
    without_file: images that are stored elsewhere. leaving: images that are searched and would
    not be after an exchange. accepted: as many of them as an operator lets go. note: what the
    change waits for.
    """

    searched: str
    beside: str
    state: str
    since: datetime
    total: int
    done: int
    given_up: int
    without_file: int
    leaving: int
    accepted: int
    note: str

    @property
    def left(self) -> int:
        return self.total - self.done - self.given_up

    @property
    def is_stuck(self) -> bool:
        """Whether all is done that can be, and an operator has to say how to go on."""
        most = max(self.accepted, int(MAX_LOSS_SHARE * (self.total + self.without_file)))
        return self.state == State.BACKFILLING and not self.left and self.leaving > most


def current_progress(*, fresh: bool = False) -> Progress | None:
    """None when there are vectors of one model only.

    Of a large table the numbers may be some seconds old, unless they have to be fresh.
    """
    rows = {row.column: row for row in VectorSpace.objects.all()}
    beside = rows.get(Column.SECONDARY)
    if beside is None:
        return None
    searched = rows[Column.SEARCHED].name
    counts = _counts(searched, beside, fresh=fresh)
    return Progress(
        searched=searched,
        beside=beside.name,
        state=beside.state,
        since=beside.since,
        total=counts["total"],
        done=counts["total"] - counts["lacking"],
        given_up=counts["given_up"],
        without_file=counts["without_file"],
        leaving=counts["leaving"],
        accepted=beside.accepted_losses,
        note=beside.note,
    )


_cached: tuple[Any, float, dict[str, int]] = (None, 0.0, {})  # of what, until when, the numbers


def _counts(searched: str, beside: VectorSpace, *, fresh: bool) -> dict[str, int]:
    global _cached
    question = (searched, beside.name, beside.state, beside.retry_rounds)
    known, until, numbers = _cached
    began = monotonic()
    if fresh or known != question or began > until:
        numbers = _count(searched, beside)
        took = monotonic() - began
        _cached = (question, began + took * CACHE_FACTOR * (took > MIN_CACHED_SECONDS), numbers)
    return numbers


def _count(searched: str, beside: VectorSpace) -> dict[str, int]:
    """Reads the table once."""
    here = ~Q(image_path="")
    no_more = Q(embedding_model=searched) & ~Q(next_embedding_model=beside.name)
    lacking = here & (~Q(embedding_model=searched) | no_more)
    if beside.state == State.PURGING:
        lacking = no_more = Q(pk__in=[])
    return embeddings.with_any_vector().aggregate(
        total=Count("pk", filter=here),
        lacking=Count("pk", filter=lacking),
        given_up=Count("pk", filter=lacking & Q(fill_attempts__gte=embeddings.max_attempts())),
        without_file=Count("pk", filter=~here),
        leaving=Count("pk", filter=no_more),
    )
