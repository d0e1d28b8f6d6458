"""Detection of copies among images: the same file, or a copy of it (thresholds: ADR 11)."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from posts.phash import MAX_HASH_DISTANCE

# A crop or a brighter copy, if both hold. The cosine is known only where there are vectors.
COPY_BITS, COPY_COSINE = 10, 0.95


class HashedImage(Protocol):
    """The attributes of PostImage that tell copies. perceptual_hash: 64 bits, signed, or None."""

    @property
    def checksum(self) -> str: ...
    @property
    def perceptual_hash(self) -> int | None: ...


H = TypeVar("H", bound=HashedImage)


def collapse(images: Sequence[H], vectors: np.ndarray | None = None) -> list[H]:
    """Drop copies of earlier images; the order stays.

    vectors: float32 [n, 512] in one space, of unit length or zeros where unknown. Without them
    only hashes and checksums count.
    """
    same, doubtful = compare(images)
    if vectors is not None and len(vectors):
        same |= doubtful & are_copies(vectors)
    first = first_copies(same)
    return [image for n, image in enumerate(images) if first[n] == n]


def compare(images: Sequence[HashedImage]) -> tuple[np.ndarray, np.ndarray]:
    """Compare all pairs; return two symmetric bool matrices [n, n].

    The first says which are copies, each image of itself included; the second, which pairs are
    copies if their vectors agree.
    """
    hashes = np.array([(each.perceptual_hash or 0) % 2**64 for each in images], dtype=np.uint64)
    has_hash = np.array([each.perceptual_hash is not None for each in images], dtype=bool)
    numbers: dict[str, int] = {}
    files = np.array([numbers.setdefault(each.checksum, len(numbers)) for each in images])
    has_file = np.array([bool(each.checksum) for each in images], dtype=bool)
    bits = np.bitwise_count(hashes[:, None] ^ hashes)
    both = has_hash[:, None] & has_hash
    same = np.eye(len(images), dtype=bool) | both & (bits <= MAX_HASH_DISTANCE)
    same |= has_file[:, None] & has_file & (files[:, None] == files)
    return same, both & ~same & (bits <= COPY_BITS)


def are_copies(vectors: np.ndarray) -> np.ndarray:
    """Return bool [n, n] for float32 [n, 512] of unit length or zeros; decides doubtful pairs."""
    return vectors @ vectors.T >= COPY_COSINE


def first_copies(same: np.ndarray) -> np.ndarray:
    """Return int [n]: for each image, the first one that it is a copy of, or itself.

    A copy of a copy alone counts as an image of its own.
    """
    own = np.arange(len(same))
    first = own.copy()
    for n in np.flatnonzero(np.triu(same, 1).any(axis=1)):
        if first[n] == n:
            first[same[n] & (first == own) & (own > n)] = n
    return first
