"""One row of the source, with its values converted to the types of our columns."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Model

from importer.report import TableReport
from smimso.visible_text import MAX_LENGTH, clean_line, clean_text

MAX_INTEGER = 2**31 - 1


class Row:
    """A row of the source. Its methods note in the report what they had to change."""

    def __init__(self, row_id: UUID, values: Mapping[str, object], report: TableReport) -> None:
        self.id = row_id
        self.values = values
        self._report = report

    def note(self, message: str) -> None:
        self._report.note(message, str(self.id))

    def skip(self, reason: str) -> None:
        self._report.skip(reason, str(self.id))

    def text(self, column: str, max_length: int = MAX_LENGTH) -> str | None:
        """Return a text of several lines, cleaned as that of members is."""
        value = self.values[column]
        if value is None:
            return None
        text = self._cut(column, str(value), MAX_LENGTH)
        return self._cut(column, clean_text(text), max_length)

    def line(self, column: str, max_length: int) -> str:
        """Return a name or a title, cleaned as that of members is; "" for null."""
        return self._cut(column, clean_line(self.text(column) or ""), max_length)

    def _cut(self, column: str, text: str, max_length: int) -> str:
        if len(text) > max_length:
            self.note(f"{column} cut to {max_length} characters")
        return text[:max_length]

    def stripped(self, column: str, max_length: int = MAX_LENGTH) -> str:
        """Return the text without surrounding whitespace; "" for null."""
        return (self.text(column, max_length) or "").strip()

    def uncut_text(self, column: str, max_length: int) -> str | None:
        """Return a text of which a part would be wrong, or None if it is blank or too long."""
        text = self.stripped(column)
        if len(text) > max_length:
            self.note(f"{column} is longer than {max_length} characters: left empty")
            return None
        return text or None

    def count(self, column: str) -> int:
        """Return a non-negative integer; 0 for null and for values out of range."""
        value = self.values[column]
        if isinstance(value, int) and 0 <= value <= MAX_INTEGER:
            return value
        if value is not None:
            self.note(f"{column} is out of range: 0")
        return 0

    def size(self, column: str) -> int | None:
        """Return a positive integer, or None."""
        value = self.values[column]
        return value if isinstance(value, int) and 0 < value <= MAX_INTEGER else None

    def boolean(self, column: str, *, default: bool) -> bool:
        value = self.values[column]
        return value if isinstance(value, bool) else default

    def text_list(self, column: str) -> list[str] | None:
        """Return a list of lines without nulls and blanks; None for null."""
        value = self.values[column]
        if value is None:
            return None
        if not isinstance(value, list):
            self.note(f"{column} is not a list: left empty")
            return None
        items = [clean_line(str(item)) for item in value if item is not None]
        return [item for item in items if item]

    def timestamp(self, column: str) -> datetime | None:
        """Return an aware datetime; one without a time zone is UTC."""
        value = self.values[column]
        if not isinstance(value, datetime):
            return None
        return value if value.tzinfo else value.replace(tzinfo=UTC)

    def date(self, column: str) -> object:
        """Return the date of a timestamp; any other value as it is, for COPY to convert."""
        value = self.values[column]
        return value.date() if isinstance(value, datetime) else value

    def uuid(self, column: str) -> UUID | None:
        return as_uuid(self.values[column])


def parse_rows(batch: Sequence[Mapping[str, object]], report: TableReport) -> list[Row]:
    """Return the rows of the batch; one whose id is no UUID is skipped."""
    rows = []
    for values in batch:
        row_id = as_uuid(values["id"])
        if row_id is None:
            report.skip("its id is not a UUID", str(values["id"]))
        else:
            rows.append(Row(row_id, values, report))
    return rows


def as_uuid(value: object) -> UUID | None:
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        return None


def existing_ids(model: type[Model], ids: Iterable[UUID | None]) -> set[UUID]:
    """Return the ids for which the model has a row."""
    wanted = {row_id for row_id in ids if row_id is not None}
    return set(model._default_manager.filter(pk__in=wanted).values_list("pk", flat=True))


def drop_orphans(rows: Sequence[Row], parents: Mapping[str, type[Model]]) -> list[Row]:
    """Return the rows whose parents, by column, were imported. The others are skipped."""
    complete = list(rows)
    for column, model in parents.items():
        known = existing_ids(model, (row.uuid(column) for row in complete))
        remaining = []
        for row in complete:
            if row.uuid(column) in known:
                remaining.append(row)
            else:
                row.skip(f"{column} refers to nothing that was imported")
        complete = remaining
    return complete
