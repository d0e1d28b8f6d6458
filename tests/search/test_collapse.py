"""Detection of copies: the best ranked copy stays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.dedup import collapse
from tests.search.conftest import SIDE, at_cosine, pointing


@dataclass(frozen=True)
class Shown:
    pk: int
    perceptual_hash: int | None = None
    checksum: str = ""


def vector(*values: float) -> np.ndarray:
    return np.array(pointing(*values), dtype=np.float32)


def unique(*pictures: Shown, vectors: Sequence[np.ndarray] = ()) -> list[int]:
    return [each.pk for each in collapse(pictures, np.array(vectors) if vectors else None)]


def test_the_best_ranked_of_the_same_file_stays() -> None:
    assert unique(Shown(3, checksum="a"), Shown(1, checksum="b"), Shown(2, checksum="a")) == [
        3,
        1,
    ]


def test_hashes_that_differ_in_seven_bits_are_copies_and_in_eight_are_not() -> None:
    assert unique(Shown(1, 0), Shown(2, 0x7F), Shown(3, 0xFF)) == [1, 3]
    assert unique(Shown(1, -1), Shown(2, 0)) == [1, 2]


def test_what_has_neither_hash_nor_checksum_is_no_copy_of_anything() -> None:
    assert unique(Shown(1), Shown(2), Shown(3, 0), Shown(4)) == [1, 2, 3, 4]


@pytest.mark.parametrize(("cosine", "copies"), [(0.96, [1]), (0.94, [1, 2])])
def test_up_to_ten_bits_the_vectors_decide(cosine: float, copies: list[int]) -> None:
    other = np.array(at_cosine(cosine), dtype=np.float32)
    pictures = Shown(1, 0), Shown(2, 0x3FF)
    assert unique(*pictures, vectors=[vector(1), other]) == copies
    assert unique(*pictures, vectors=[vector(1), np.zeros(SIDE, np.float32)]) == [1, 2]
    assert unique(Shown(1, 0), Shown(2, 0x7FF), vectors=[vector(1), vector(1)]) == [1, 2]


def test_nothing_collapses_to_nothing() -> None:
    assert collapse([]) == []


@given(
    st.lists(st.builds(Shown, st.integers(), st.sampled_from([None, 0, 3, -1, 2**62]), st.just("")))
)
def test_collapsing_twice_changes_nothing_and_keeps_the_order(pictures: list[Shown]) -> None:
    once = collapse(pictures)
    assert collapse(once) == once
    assert once == [each for each in pictures if any(each is other for other in once)]
    assert bool(once) == bool(pictures)
