"""What each table's step of an import consists of."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from importer.rows import Row
from importer.staging import Target


class Step(ABC):
    """One table of the source.

    columns: what is read; those of `needed` must exist. order: SQL, each begins with a column;
    of rows that exclude each other the first is kept. most: rows at a time, if fewer than asked.
    """

    table: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    needed: ClassVar[tuple[str, ...]] = ("id",)
    order: ClassVar[tuple[str, ...]] = ("created_at", "id")
    target: ClassVar[Target]
    most: int = 1_000_000

    @abstractmethod
    def clean(self, rows: Sequence[Row]) -> list[Mapping[str, Any]]:
        """The rows as our columns hold them, less those that were skipped. Writes no rows."""

    def before_writing(self, rows: Sequence[Mapping[str, Any]]) -> None:  # noqa: B027 - a default
        """Called with the cleaned rows in the transaction that writes them."""
