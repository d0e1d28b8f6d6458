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
TRIES = 5  # of a search; each change of the model costs one at most


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


def active() -> Space:
    """The space that is searched; within a `steady` call, the same one all the time."""
    return _pinned.get() or _read()


def configured() -> Space:
    """The space that the settings name: the one of a collection without vectors."""
    model, pretrained = model_ids.configured()
    return Space(model_ids.clip_name(model, pretrained), model, pretrained)


def kept() -> list[Space]:
    """All spaces that images have vectors in, the one that is searched first; one query."""
    rows = VectorSpace.objects.exclude(state=State.LEAVING)
    found = sorted(map(_space, rows), key=lambda space: space.state != State.ACTIVE)
    return found if found and found[0].state == State.ACTIVE else [configured(), *found]


def steady(find: Callable[P, R]) -> Callable[P, R]:
    """Decorates what asks for a vector and compares it: all of it happens in one space.

    When the collection has moved to another model meanwhile, the call is made again; `find` must
    bear that. Costs one small query.
    """

    @wraps(find)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if _pinned.get() is not None:
            return find(*args, **kwargs)
        space = _last_seen or _read()
        for _ in range(TRIES):
            token = _pinned.set(space)
            try:
                found = find(*args, **kwargs)
            except Unavailable:
                _pinned.reset(token)
                if (now := _read()) == space:
                    raise
            except BaseException:
                _pinned.reset(token)
                raise
            else:
                _pinned.reset(token)
                if (now := _read()) == space:
                    return found
            space = now
        raise Unavailable

    return run


def confirm() -> None:
    """Within a `steady` call, before it keeps something: raises Unavailable, and so begins the
    call again, when the collection has moved since."""
    if (pinned := _pinned.get()) is not None and _read() != pinned:
        raise Unavailable


def forget() -> None:
    """For tests: this process has seen nothing yet."""
    global _last_seen
    _last_seen = None


def hold(first: str) -> dict[str, str]:
    """Column by name of the space, unchanged until the caller's transaction ends.

    first: the model that a collection without vectors begins with. Source of the lock modes:
    PostgreSQL, "Explicit Locking", row-level locks.
    """
    columns = _held()
    if Column.SEARCHED not in columns.values():
        model, pretrained = model_ids.configured()
        fields = {"name": first, "model": model, "pretrained": pretrained}
        row = VectorSpace(column=Column.SEARCHED, state=State.ACTIVE, **fields)
        VectorSpace.objects.bulk_create([row], ignore_conflicts=True)
        columns = _held()
    return columns


def _held() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            'SELECT name, "column" FROM vector_spaces WHERE state <> %s FOR KEY SHARE',
            [State.LEAVING],
        )
        return dict(cursor.fetchall())


def _read() -> Space:
    global _last_seen
    row = VectorSpace.objects.filter(column=Column.SEARCHED).first()
    _last_seen = _space(row) if row else None
    return _last_seen or configured()


def _space(row: VectorSpace) -> Space:
    return Space(row.name, row.model, row.pretrained, row.column, row.state, row.since)
