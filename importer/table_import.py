"""The interface of a table's import: which columns it reads, how it cleans rows, where they go."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from importer.rows import Row
from importer.staging import CleanRow, Target


class TableImport(ABC):
    """The import of one table of the source.

    columns: read from the source; those in `required` must exist there. order: SQL terms, each
    starting with a column; of rows that exclude each other the first one wins. max_batch: upper
    limit of rows per batch.
    """

    table: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    required: ClassVar[tuple[str, ...]] = ("id",)
    order: ClassVar[tuple[str, ...]] = ("created_at", "id")
    target: ClassVar[Target]
    max_batch: int = 1_000_000

    @abstractmethod
    def clean(self, rows: Sequence[Row]) -> list[CleanRow]:
        """Return the rows in the form of our columns, without skipped ones. Write no rows."""

    def before_write(self, rows: Sequence[CleanRow]) -> None:  # noqa: B027 - a default
        """Run in the transaction that writes the cleaned rows, before they are written."""
