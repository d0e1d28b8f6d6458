"""Which of several pictures are one: the same file, or copies of it (thresholds: ADR 11)."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from posts.models import NEAR_BITS

COPY_BITS, COPY_COSINE = 10, 0.95  # together; a crop or a brighter copy, where vectors are known


class Picture(Protocol):
    """What PostImage has. perceptual_hash: 64 bits, signed, or None."""

    @property
    def checksum(self) -> str: ...
    @property
    def perceptual_hash(self) -> int | None: ...


P = TypeVar("P", bound=Picture)


def collapse(pictures: Sequence[P], vectors: np.ndarray | None = None) -> list[P]:
    """Without those that repeat an earlier, better ranked one; the order stays.

    vectors: as for `copies`.
    """
    repeats = copies(pictures, vectors)
    left = np.ones(len(pictures), dtype=bool)
    for n in range(len(pictures)):
        if left[n]:
            left[n + 1 :] &= ~repeats[n, n + 1 :]
    return [picture for picture, stays in zip(pictures, left, strict=True) if stays]


def copies(pictures: Sequence[Picture], vectors: np.ndarray | None = None) -> np.ndarray:
    """bool [n, n], symmetric: which are copies of which, each of itself.

    vectors: float32 [n, 512] in one space, of unit length or zeros where unknown. Without them
    only hashes and checksums count.
    """
    hashes = np.array([(each.perceptual_hash or 0) % 2**64 for each in pictures], dtype=np.uint64)
    hashed = np.array([each.perceptual_hash is not None for each in pictures], dtype=bool)
    _, files = np.unique([each.checksum for each in pictures], return_inverse=True)
    named = np.array([bool(each.checksum) for each in pictures], dtype=bool)
    bits = np.bitwise_count(hashes[:, None] ^ hashes)
    near = bits <= NEAR_BITS
    if vectors is not None and len(vectors):
        near |= (bits <= COPY_BITS) & (vectors @ vectors.T >= COPY_COSINE)
    return (
        np.eye(len(pictures), dtype=bool)
        | (hashed[:, None] & hashed & near)
        | (named[:, None] & named & (files[:, None] == files))
    )
