"""Where a list goes on, newest first: after a row's time and id, as an address has them."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID


class Cursor(NamedTuple):
    """Of a row, which may be gone by now."""

    created_at: datetime
    pk: UUID

    def __str__(self) -> str:
        return f"{self.created_at.isoformat()}_{self.pk}"


def parse_cursor(text: str) -> Cursor | None:
    """What `str` made of a place; None for any other text."""
    when, _, pk = text.partition("_")
    try:
        moment = datetime.fromisoformat(when)
        # PostgreSQL knows fewer zones than Python, and UTC has no more years than it.
        return Cursor(moment.astimezone(UTC), UUID(pk)) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
