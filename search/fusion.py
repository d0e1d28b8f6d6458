"""One list out of two: by meaning and by words.

Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009): ranks need no common scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from search.query_embedding import Meaning
from search.retrieval import Candidate, coverages

Method = Literal["embedding", "caption", "hybrid", "filters"]
K = 60  # of the paper
WORDS_WEIGHT = 0.1  # beside 1 for meaning; measured by benchmarks/relevance.py
WORD_SCORE = 0.5  # of a post that has all words, and no measure of its own
LEAST_WORDS = 0.6  # the least coverage that makes a post relevant by its words alone


@dataclass(frozen=True)
class Ranked:
    """A place in the result. score: 0..1; among those of a method it never rises."""

    post_id: UUID
    image_id: UUID
    score: float
    method: Method
    matched: int = 0


def telling(
    worded: Sequence[Candidate], near: Sequence[Candidate], meaning: Meaning, least_score: float
) -> list[Candidate]:
    """Those that were found by words, not by meaning, and have enough of them to be relevant."""
    if not meaning.available:
        return list(worded)
    share = coverages([*near, *worded], len(meaning.terms))
    return [each for each in worded if WORD_SCORE * share[each.matched] >= least_score]


def fused(found: Sequence[Candidate], meaning: Meaning, *, least_score: float) -> list[Ranked]:
    """Best first; one per post and picture; only those that are relevant enough by themselves.

    Of copies that mean the same, the one with more of the words is kept, then the first.
    """
    share = coverages(found, len(meaning.terms))
    # Words tell many posts apart no further than into groups; there meaning decides.
    by_words = sorted(
        found, key=lambda each: (-round(share[each.matched], 3), -each.meaning, -each.word_rank)
    )
    worth = {each.post_id: 1 / (K + each.place) if each.place else 0.0 for each in found}
    for rank, each in enumerate(by_words, 1):
        coverage = share[each.matched]
        if coverage >= LEAST_WORDS or not meaning.available:
            worth[each.post_id] += WORDS_WEIGHT * coverage**2 / (K + rank)
    ordered = sorted(found, key=lambda each: (-worth[each.post_id], -each.meaning))
    once: dict[UUID | int, Ranked] = {}
    for each in ordered:
        place = _scored(each, share[each.matched], meaning)
        if place.score >= least_score:
            once.setdefault(each.post_id if each.picture is None else each.picture, place)
    return _never_rising(list(once.values()))


def _scored(candidate: Candidate, coverage: float, meaning: Meaning) -> Ranked:
    by_meaning, by_words = candidate.meaning, WORD_SCORE * coverage
    if not meaning.available and coverage:
        by_words = max(by_words, WORD_SCORE * LEAST_WORDS)  # all that there is to go by
    relevant = by_meaning >= meaning.least_score
    if relevant and coverage >= LEAST_WORDS:
        score = 1 - (1 - by_meaning) * (1 - by_words)
    else:
        score = max(by_meaning, by_words)
    method: Method = "embedding"
    if coverage:
        method = "hybrid" if relevant else "caption"
    image_id = candidate.image_id
    assert image_id is not None  # noqa: S101 - `with_images` has seen to it
    return Ranked(
        candidate.post_id,
        image_id,
        score,
        method,
        candidate.matched if coverage else 0,
    )


def _never_rising(ranked: list[Ranked]) -> list[Ranked]:
    """What stands above another of its method is no less relevant, whatever each measure says."""
    most: dict[Method, float] = {}
    risen = []
    for place in reversed(ranked):
        least = most.get(place.method, 0.0)
        risen.append(place if place.score >= least else replace(place, score=least))
        most[place.method] = risen[-1].score
    return risen[::-1]
