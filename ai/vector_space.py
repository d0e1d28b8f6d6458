"""The vector space that the collection is in, and how a search stays in one.

Changing the model exchanges two columns between one moment and the next. What began in the old
space must end in it or begin again: it never compares across, and never comes back empty for it.
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
    """model, pretrained: as in the settings. since: None while only the settings name it."""

    name: str
    model: str
    pretrained: str
    column: str = Column.SEARCHED
    state: str = State.ACTIVE
    since: datetime | None = None


_pinned: ContextVar[Space | None] = ContextVar("pinned space", default=None)
_last_seen: Space | None = None  # by this process; a first guess that `steady` checks


def active_space() -> Space:
    """The space that is searched; within a `steady` call, the same one all the time."""
    return _pinned.get() or _read_active()


def configured_space() -> Space:
    """The space that the settings name: the one of a collection without vectors."""
    model, pretrained = model_ids.configured_clip()
    return Space(model_ids.clip_name(model, pretrained), model, pretrained)


def all_spaces() -> list[Space]:
    """All spaces that images have vectors in, the one that is searched first; one query."""
    rows = VectorSpace.objects.exclude(state=State.PURGING)
    found = sorted(map(_from_row, rows), key=lambda space: space.state != State.ACTIVE)
    return found if found and found[0].state == State.ACTIVE else [configured_space(), *found]


def in_one_vector_space(find: Callable[P, R]) -> Callable[P, R]:
    """Decorates what asks for a vector and compares it: all of it happens in one space.

    When the collection has moved to another model meanwhile, the call is made again; `find` must
    bear that. Costs one small query.
    """

    @wraps(find)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if _pinned.get() is not None:
            return find(*args, **kwargs)
        space = _last_seen or _read_active()
        for _ in range(MAX_TRIES):
            token = _pinned.set(space)
            try:
                found = find(*args, **kwargs)
            except Unavailable:
                _pinned.reset(token)
                if (now := _read_active()) == space:
                    raise
            except BaseException:
                _pinned.reset(token)
                raise
            else:
                _pinned.reset(token)
                if (now := _read_active()) == space:
                    return found
            space = now
        raise Unavailable

    return run


def ensure_unchanged() -> None:
    """Within a `steady` call, before it keeps something: raises Unavailable, and so begins the
    call again, when the collection has moved since."""
    if (pinned := _pinned.get()) is not None and _read_active() != pinned:
        raise Unavailable


def reset_cache() -> None:
    """For tests: this process has seen nothing yet."""
    global _last_seen
    _last_seen = None


def lock_columns(first: str) -> dict[str, str]:
    """Column by name of the space, unchanged until the caller's transaction ends.

    first: the model that a collection without vectors begins with. Source of the lock modes:
    PostgreSQL, "Explicit Locking", row-level locks.
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
