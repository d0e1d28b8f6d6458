"""The old backend's vectors: which can be trusted."""

from dataclasses import dataclass

import numpy as np

from ai import vector_space
from ai.models import Column
from importer.rows import Row
from importer.source import CannotRead
from posts.models import EMBEDDING_DIMENSIONS

# Vectors of smaller models were filled up with zeros; a CLIP vector never ends like this.
_PADDING = 8
_UNIT = 0.01  # how far from 1 a length may be: float32 as text loses digits


@dataclass(frozen=True)
class OldVectors:
    """model: what made them, as `ai.model_ids.clip_name` calls it; empty: unknown, none is taken.

    searched: the model whose vectors the collection has. Those of another one are of no use.
    """

    model: str
    searched: str

    def of(self, row: Row) -> str | None:
        """As the database writes vectors; None when it cannot be trusted."""
        text = row.values["embedding"]
        if text is None:
            return None
        if not self.model:
            row.note("its vector was left: --clip-model did not say which model made it")
            return None
        if self.model != self.searched:
            row.note(f"its vector was left: {self.model} made it, searches use {self.searched}")
            return None
        try:
            numbers = str(text).strip("[]{} ")
            vector = np.array(numbers.split(","), dtype=np.float32)
        except ValueError:
            row.note("its vector cannot be read")
            return None
        if reason := _why_not(vector):
            row.note(f"its vector was left: {reason}")
            return None
        return f"[{numbers}]"

    def hold(self) -> None:
        """The collection is in this space until the transaction ends, and begins in it if empty."""
        if vector_space.lock_columns(self.model).get(self.model) != Column.SEARCHED:
            raise CannotRead("The collection moved to another model meanwhile: start again")


def _why_not(vector: np.ndarray) -> str:
    if vector.size != EMBEDDING_DIMENSIONS:
        return f"it has not {EMBEDDING_DIMENSIONS} numbers"
    if not np.isfinite(vector).all():
        return "not all of its numbers are finite"
    if not vector[-_PADDING:].any():
        return "it was filled up with zeros"
    if abs(float(np.linalg.norm(vector)) - 1) > _UNIT:
        return "it is not of unit length"
    return ""
