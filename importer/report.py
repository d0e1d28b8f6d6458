"""What an import did, table by table, and why it left or changed anything."""

from collections.abc import Iterator
from dataclasses import dataclass, field

EXAMPLES = 3
_COUNTS = ("read", "taken", "updated", "same", "skipped")


@dataclass
class Finding:
    """One reason: how many rows it concerned, and a few of them."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str, count: int = 1) -> None:
        self.count += count
        if example and len(self.examples) < EXAMPLES:
            self.examples.append(example)

    def __str__(self) -> str:
        return f" (e.g. {', '.join(self.examples)})" if self.examples else ""


@dataclass
class TableReport:
    """`read` is always the sum of taken, updated, same and skipped."""

    name: str
    read: int = 0
    taken: int = 0
    updated: int = 0
    same: int = 0
    skips: dict[str, Finding] = field(default_factory=dict)
    notes: dict[str, Finding] = field(default_factory=dict)

    @property
    def skipped(self) -> int:
        return sum(finding.count for finding in self.skips.values())

    def skip(self, reason: str, example: str) -> None:
        self.skips.setdefault(reason, Finding()).add(example)

    def note(self, what: str, example: str, count: int = 1) -> None:
        """Something of a row that was taken was changed, or needs a look."""
        self.notes.setdefault(what, Finding()).add(example, count)


@dataclass
class Report:
    dry_run: bool = False
    tables: dict[str, TableReport] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)  # what the source has and SMIMSO does not take

    def table(self, name: str) -> TableReport:
        return self.tables.setdefault(name, TableReport(name))

    def __str__(self) -> str:
        lines = [_row("table", *_COUNTS)]
        lines += [
            _row(table.name, *(f"{getattr(table, name):,}" for name in _COUNTS))
            for table in self.tables.values()
        ]
        lines += _section("Skipped", self._findings("skips"))
        lines += _section("Changed on the way, or worth a look", self._findings("notes"))
        lines += _section("Not taken", self.left)
        if self.dry_run:
            lines += ["", "Dry run: nothing was written."]
        return "\n".join(lines)

    def _findings(self, kind: str) -> Iterator[str]:
        for table in self.tables.values():
            for reason, finding in getattr(table, kind).items():
                yield f"{table.name}: {finding.count:,} × {reason}{finding}"


def _row(name: str, *cells: str) -> str:
    return f"{name:<18}" + "".join(f"{cell:>12}" for cell in cells)


def _section(title: str, lines: Iterator[str] | list[str]) -> list[str]:
    found = [f"  {line}" for line in lines]
    return ["", title, *found] if found else []
