"""One row of the source: its values as our columns hold them, and what is to be said about it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Model

from importer.report import TableReport

LARGEST_INTEGER = 2**31 - 1


class Row:
    def __init__(self, row_id: UUID, values: Mapping[str, Any], report: TableReport) -> None:
        self.id = row_id
        self.values = values
        self._report = report

    def note(self, what: str) -> None:
        self._report.note(what, str(self.id))

    def skip(self, reason: str) -> None:
        self._report.skip(reason, str(self.id))

    def text(self, column: str, most: int | None = None) -> str | None:
        value = self.values[column]
        if value is None:
            return None
        text = str(value)
        if most is not None and len(text) > most:
            self.note(f"{column} cut to {most} characters")
            return text[:most]
        return text

    def words(self, column: str, most: int | None = None) -> str:
        """Without surrounding blanks; empty when there is nothing."""
        return (self.text(column, most) or "").strip()

    def whole_text(self, column: str, most: int) -> str | None:
        """For what a part of would be wrong: None when blank or too long."""
        text = self.words(column)
        if len(text) > most:
            self.note(f"{column} is longer than {most} characters: left out")
            return None
        return text or None

    def count(self, column: str) -> int:
        value = self.values[column]
        if isinstance(value, int) and 0 <= value <= LARGEST_INTEGER:
            return value
        if value is not None:
            self.note(f"{column} is out of range: 0")
        return 0

    def size(self, column: str) -> int | None:
        value = self.values[column]
        return value if isinstance(value, int) and 0 < value <= LARGEST_INTEGER else None

    def flag(self, column: str, *, default: bool) -> bool:
        value = self.values[column]
        return value if isinstance(value, bool) else default

    def texts(self, column: str) -> list[str] | None:
        """A list without its nulls; None stays None."""
        value = self.values[column]
        if value is None:
            return None
        if not isinstance(value, list):
            self.note(f"{column} is not a list: left out")
            return None
        return [str(item) for item in value if item is not None]

    def moment(self, column: str) -> datetime | None:
        value = self.values[column]
        if not isinstance(value, datetime):
            return None
        return value if value.tzinfo else value.replace(tzinfo=UTC)

    def day(self, column: str) -> date | None:
        value = self.values[column]
        return value.date() if isinstance(value, datetime) else value

    def reference(self, column: str) -> UUID | None:
        return as_uuid(self.values[column])


def rows_of(batch: Sequence[Mapping[str, Any]], report: TableReport) -> list[Row]:
    """Those of the batch that can be told apart."""
    rows = []
    for values in batch:
        row_id = as_uuid(values["id"])
        if row_id is None:
            report.skip("its id is not a UUID", str(values["id"]))
        else:
            rows.append(Row(row_id, values, report))
    return rows


def as_uuid(value: Any) -> UUID | None:
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        return None


def present(model: type[Model], ids: Iterable[UUID | None]) -> set[UUID]:
    """Those of `ids` that the model has a row of."""
    wanted = {one for one in ids if one is not None}
    return set(model._default_manager.filter(pk__in=wanted).values_list("pk", flat=True))


def with_owners(rows: Sequence[Row], owners: Mapping[str, type[Model]]) -> list[Row]:
    """The rows of which all that they hang on was taken."""
    kept = list(rows)
    for column, model in owners.items():
        known = present(model, (row.reference(column) for row in kept))
        remaining = []
        for row in kept:
            if row.reference(column) in known:
                remaining.append(row)
            else:
                row.skip(f"{column} names nothing that was taken")
        kept = remaining
    return kept
