"""The vector space that the collection is in, and how a search stays within one.

A change of the model swaps two columns from one moment to the next. A search that began in the
old space ends in it or starts again: it never compares vectors of two models, and a swap never
makes it come back empty.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connection

from ai import model_ids
from ai.models import Column, State, VectorSpace
from smimso.errors import Unavailable

P = ParamSpec("P")
R = TypeVar("R")
MAX_TRIES = 5  # of a search; each change of the model costs one at most


@dataclass(frozen=True)
class Space:
    """model, pretrained: as in the settings. since: None while only the settings name the space."""

    name: str
    model: str
    pretrained: str
    column: str = Column.SEARCHED
    state: str = State.ACTIVE
    since: datetime | None = None


_pinned: ContextVar[Space | None] = ContextVar("pinned space", default=None)
_last_seen: Space | None = None  # by this process; a first guess, verified after each search


def active_space() -> Space:
    """Return the searched space, always the same one within `in_one_vector_space`."""
    return _pinned.get() or _read_active()


def configured_space() -> Space:
    """Return the space that the settings name: that of a collection without vectors."""
    model, pretrained = model_ids.configured_clip()
    return Space(model_ids.clip_name(model, pretrained), model, pretrained)


def all_spaces() -> list[Space]:
    """Return all spaces that images have vectors in, the searched one first; one query."""
    rows = VectorSpace.objects.exclude(state=State.PURGING)
    spaces = sorted(map(_from_row, rows), key=lambda space: space.state != State.ACTIVE)
    has_active = bool(spaces) and spaces[0].state == State.ACTIVE
    return spaces if has_active else [configured_space(), *spaces]


def in_one_vector_space(search: Callable[P, R]) -> Callable[P, R]:
    """Run the decorated function, which embeds a query and compares the vector, in one space.

    If the collection has moved to another model in the meantime, the function is called again, so
    it must be repeatable. Costs one small query. Raises Unavailable after MAX_TRIES calls.
    """

    @wraps(search)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if _pinned.get() is not None:
            return search(*args, **kwargs)
        space = _last_seen or _read_active()
        for _ in range(MAX_TRIES):
            failure = None
            token = _pinned.set(space)
            try:
                result = search(*args, **kwargs)
            except Unavailable as error:
                failure = error
            finally:
                _pinned.reset(token)
            current = _read_active()
            if current == space:
                if failure is not None:
                    raise failure
                return result
            space = current
        raise Unavailable

    return run


def ensure_unchanged() -> None:
    """Raise Unavailable if the collection has moved since the search began.

    To be called within `in_one_vector_space` before something is stored: it starts again.
    """
    if (pinned := _pinned.get()) is not None and _read_active() != pinned:
        raise Unavailable


def reset_cache() -> None:
    """Forget what this process has seen; for tests."""
    global _last_seen
    _last_seen = None


def lock_columns(first: str) -> dict[str, str]:
    """Return the column of each space by name, unchanged until the caller's transaction ends.

    first: name of the model that a collection without vectors begins with. Source of the lock
    modes: PostgreSQL, "Explicit Locking", row-level locks.
    """
    columns = _lock_rows()
    if Column.SEARCHED not in columns.values():
        model, pretrained = model_ids.configured_clip()
        fields = {"name": first, "model": model, "pretrained": pretrained}
        row = VectorSpace(column=Column.SEARCHED, state=State.ACTIVE, **fields)
        VectorSpace.objects.bulk_create([row], ignore_conflicts=True)
        columns = _lock_rows()
    return columns


def _lock_rows() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            'SELECT name, "column" FROM vector_spaces WHERE state <> %s FOR KEY SHARE',
            [State.PURGING],
        )
        return dict(cursor.fetchall())


def _read_active() -> Space:
    global _last_seen
    row = VectorSpace.objects.filter(column=Column.SEARCHED).first()
    _last_seen = _from_row(row) if row else None
    return _last_seen or configured_space()


def _from_row(row: VectorSpace) -> Space:
    return Space(row.name, row.model, row.pretrained, row.column, row.state, row.since)
