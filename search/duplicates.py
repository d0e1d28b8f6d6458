"""Which of several pictures are one: the same file, or copies of it (thresholds: ADR 11)."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from posts.models import NEAR_BITS

COPY_BITS, COPY_COSINE = 10, 0.95  # together; a crop or a brighter copy, where vectors are known


class Picture(Protocol):
    """What PostImage has. perceptual_hash: 64 bits, signed, or None."""

    @property
    def pk(self) -> Any: ...
    @property
    def checksum(self) -> str: ...
    @property
    def perceptual_hash(self) -> int | None: ...


P = TypeVar("P", bound=Picture)
Vectors = Mapping[Any, np.ndarray]


def collapse(pictures: Sequence[P], vectors: Vectors | None = None) -> list[P]:
    """Without those that repeat an earlier, better ranked one; the order stays.

    vectors: float32 [512] of unit length in one space, by pk. Without them only hashes and
    checksums count.
    """
    known = vectors or {}
    hashes = np.array(
        [(each.perceptual_hash or 0) & (2**64 - 1) for each in pictures], dtype=np.uint64
    )
    hashed = np.array([each.perceptual_hash is not None for each in pictures], dtype=bool)
    rows = np.array(
        [known.get(each.pk, np.zeros(_size(known))) for each in pictures], dtype=np.float32
    )
    kept: list[int] = []
    checksums: set[str] = set()
    for n, picture in enumerate(pictures):
        if picture.checksum in checksums or _repeats(n, kept, hashes, hashed, rows):
            continue
        kept.append(n)
        if picture.checksum:
            checksums.add(picture.checksum)
    return [pictures[n] for n in kept]


def _repeats(
    n: int, kept: list[int], hashes: np.ndarray, hashed: np.ndarray, rows: np.ndarray
) -> bool:
    if not kept or not hashed[n]:
        return False
    bits = np.bitwise_count(hashes[kept] ^ hashes[n])
    copies = (bits <= COPY_BITS) & (rows[kept] @ rows[n] >= COPY_COSINE)
    return bool((hashed[kept] & ((bits <= NEAR_BITS) | copies)).any())


def _size(vectors: Vectors) -> int:
    return len(next(iter(vectors.values()), ()))
