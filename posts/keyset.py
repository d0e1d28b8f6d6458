"""Cursors of keyset pagination, newest first: the time and id of the last row shown."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID


class Cursor(NamedTuple):
    """A position in a list. The row itself may have been deleted."""

    created_at: datetime
    pk: UUID

    def __str__(self) -> str:
        return f"{self.created_at.isoformat()}_{self.pk}"


def parse_cursor(text: str) -> Cursor | None:
    """Parse `str(cursor)`; return None for any other text."""
    time, _, pk = text.partition("_")
    try:
        created_at = datetime.fromisoformat(time)
        # Converted to UTC, because PostgreSQL knows fewer time zones and years than Python.
        return Cursor(created_at.astimezone(UTC), UUID(pk)) if created_at.tzinfo else None
    except (ValueError, OverflowError):
        return None
