"""Vectors of the old backend, and the checks that decide which of them can be trusted."""

from dataclasses import dataclass

import numpy as np

from ai import vector_space
from ai.models import Column
from importer.rows import Row
from importer.source import SourceError
from posts.models import EMBEDDING_DIMENSIONS

# Vectors of smaller models were padded with zeros. No vector of CLIP ends in this many of them.
_PADDING_LENGTH = 8
_NORM_TOLERANCE = 0.01  # float32 numbers lose digits when they are written as text


@dataclass(frozen=True)
class SourceVectors:
    """The models of the source's vectors and of this collection, as `clip_name` writes them.

    model: the one that made the source's vectors; empty: unknown, no vector is imported.
    active_model: the one whose vectors are searched here; vectors of other models are useless.
    """

    model: str
    active_model: str

    def parse(self, row: Row) -> str | None:
        """Return the vector as pgvector's text, or None if it cannot be trusted."""
        text = row.values["embedding"]
        if text is None:
            return None
        if not self.model:
            row.note("vector not imported: --clip-model does not say which model made it")
            return None
        if self.model != self.active_model:
            row.note(f"vector not imported: {self.model} made it, searches use {self.active_model}")
            return None
        try:
            numbers = str(text).strip("[]{} ")
            vector = np.array(numbers.split(","), dtype=np.float32)
        except ValueError:
            row.note("vector not imported: it cannot be read")
            return None
        if reason := _distrust_reason(vector):
            row.note(f"vector not imported: {reason}")
            return None
        return f"[{numbers}]"

    def lock_space(self) -> None:
        """Keep the collection in this vector space until the transaction ends.

        An empty collection starts in it. Raises SourceError if the collection has moved to
        another model.
        """
        if vector_space.lock_columns(self.model).get(self.model) != Column.SEARCHED:
            raise SourceError("The collection switched to another model. Start again.")


def _distrust_reason(vector: np.ndarray) -> str:
    if vector.size != EMBEDDING_DIMENSIONS:
        return f"it does not have {EMBEDDING_DIMENSIONS} numbers"
    if not np.isfinite(vector).all():
        return "not all of its numbers are finite"
    if not vector[-_PADDING_LENGTH:].any():
        return "it is padded with zeros"
    if abs(float(np.linalg.norm(vector)) - 1) > _NORM_TOLERANCE:
        return "it is not of unit length"
    return ""
