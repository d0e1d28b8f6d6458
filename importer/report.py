"""The summary of an import: counts per table, and the reasons for skipped and changed rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

MAX_EXAMPLES = 3
_COUNTS = ("read", "imported", "updated", "same", "skipped")


@dataclass
class Finding:
    """One reason, with the number of rows that it concerns and the ids of a few of them."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str, count: int = 1) -> None:
        self.count += count
        if example and len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)

    def __str__(self) -> str:
        return f" (e.g. {', '.join(self.examples)})" if self.examples else ""


@dataclass
class TableReport:
    """Counts of one table; `read` is always the sum of imported, updated, same and skipped."""

    name: str
    read: int = 0
    imported: int = 0
    updated: int = 0
    same: int = 0
    skips: dict[str, Finding] = field(default_factory=dict)
    notes: dict[str, Finding] = field(default_factory=dict)

    @property
    def skipped(self) -> int:
        return sum(finding.count for finding in self.skips.values())

    def skip(self, reason: str, example: str) -> None:
        self.skips.setdefault(reason, Finding()).add(example)

    def note(self, message: str, example: str, count: int = 1) -> None:
        """Record that an imported row was changed, or needs a look."""
        self.notes.setdefault(message, Finding()).add(example, count)


@dataclass
class Report:
    """not_imported: lines about tables, columns and vectors that have no place here."""

    dry_run: bool = False
    tables: dict[str, TableReport] = field(default_factory=dict)
    not_imported: list[str] = field(default_factory=list)

    def table(self, name: str) -> TableReport:
        return self.tables.setdefault(name, TableReport(name))

    def __str__(self) -> str:
        lines = [_format_row("table", *_COUNTS)]
        lines += [
            _format_row(table.name, *(f"{getattr(table, name):,}" for name in _COUNTS))
            for table in self.tables.values()
        ]
        lines += _section("Skipped", self._findings("skips"))
        lines += _section("Imported with changes, or worth a look", self._findings("notes"))
        lines += _section("Not imported", self.not_imported)
        if self.dry_run:
            lines += ["", "Dry run: nothing was written."]
        return "\n".join(lines)

    def _findings(self, group: Literal["skips", "notes"]) -> Iterator[str]:
        for table in self.tables.values():
            for reason, finding in getattr(table, group).items():
                yield f"{table.name}: {finding.count:,} × {reason}{finding}"


def _format_row(name: str, *cells: str) -> str:
    return f"{name:<18}" + "".join(f"{cell:>12}" for cell in cells)


def _section(title: str, lines: Iterable[str]) -> list[str]:
    indented = [f"  {line}" for line in lines]
    return ["", title, *indented] if indented else []
