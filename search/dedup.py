"""Which of several pictures are one: the same file, or copies of it (thresholds: ADR 11)."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from posts.phash import MAX_HASH_DISTANCE

COPY_BITS, COPY_COSINE = 10, 0.95  # together; a crop or a brighter copy, where vectors are known


class HashedImage(Protocol):
    """What PostImage has. perceptual_hash: 64 bits, signed, or None."""

    @property
    def checksum(self) -> str: ...
    @property
    def perceptual_hash(self) -> int | None: ...


H = TypeVar("H", bound=HashedImage)


def collapse(pictures: Sequence[H], vectors: np.ndarray | None = None) -> list[H]:
    """Without those that repeat an earlier, better ranked one; the order stays.

    vectors: float32 [n, 512] in one space, of unit length or zeros where unknown. Without them
    only hashes and checksums count.
    """
    same, doubtful = compare(pictures)
    if vectors is not None and len(vectors):
        same |= doubtful & are_copies(vectors)
    first = first_copies(same)
    return [picture for n, picture in enumerate(pictures) if first[n] == n]


def compare(pictures: Sequence[HashedImage]) -> tuple[np.ndarray, np.ndarray]:
    """bool [n, n] each, symmetric: which are copies of which, each of itself; and which are if
    their vectors say so too."""
    hashes = np.array([(each.perceptual_hash or 0) % 2**64 for each in pictures], dtype=np.uint64)
    hashed = np.array([each.perceptual_hash is not None for each in pictures], dtype=bool)
    numbers: dict[str, int] = {}
    files = np.array([numbers.setdefault(each.checksum, len(numbers)) for each in pictures])
    named = np.array([bool(each.checksum) for each in pictures], dtype=bool)
    bits = np.bitwise_count(hashes[:, None] ^ hashes)
    both = hashed[:, None] & hashed
    same = np.eye(len(pictures), dtype=bool) | both & (bits <= MAX_HASH_DISTANCE)
    same |= named[:, None] & named & (files[:, None] == files)
    return same, both & ~same & (bits <= COPY_BITS)


def are_copies(vectors: np.ndarray) -> np.ndarray:
    """bool [n, n], where hashes leave doubt; vectors: float32 [n, 512] of unit length or zeros."""
    return vectors @ vectors.T >= COPY_COSINE


def first_copies(same: np.ndarray) -> np.ndarray:
    """int [n]: the first that each repeats, or itself; what repeats only a repetition is new."""
    own = np.arange(len(same))
    first = own.copy()
    for n in np.flatnonzero(np.triu(same, 1).any(axis=1)):
        if first[n] == n:
            first[same[n] & (first == own) & (own > n)] = n
    return first
