"""One list out of two: by meaning and by words.

Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009): ranks need no common scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from search.query_embedding import EncodedQuery
from search.retrieval import Candidate, idf_coverage

Method = Literal["embedding", "caption", "hybrid", "filters"]
K = 60  # of the paper
KEYWORD_WEIGHT = 0.1  # beside 1 for meaning; measured by benchmarks/relevance.py
KEYWORD_SCORE = 0.5  # of a post that has all words, and no measure of its own
MIN_COVERAGE = 0.6  # the least coverage that makes a post relevant by its words alone


@dataclass(frozen=True)
class Hit:
    """A place in the result. score: 0..1; among those of a method it never rises."""

    post_id: UUID
    image_id: UUID
    score: float
    method: Method
    matched: int = 0


def relevant_keyword_hits(
    worded: Sequence[Candidate],
    near: Sequence[Candidate],
    meaning: EncodedQuery,
    least_score: float,
) -> list[Candidate]:
    """Those that were found by words, not by meaning, and have enough of them to be relevant."""
    if not meaning.available:
        return list(worded)
    share = idf_coverage([*near, *worded], len(meaning.terms))
    return [each for each in worded if KEYWORD_SCORE * share[each.matched] >= least_score]


def fuse(found: Sequence[Candidate], meaning: EncodedQuery, *, least_score: float) -> list[Hit]:
    """Best first; one per post and picture; only those that are relevant enough by themselves.

    Of copies that mean the same, the one with more of the words is kept, then the first.
    """
    share = idf_coverage(found, len(meaning.terms))
    # Words tell many posts apart no further than into groups; there meaning decides.
    by_words = sorted(
        found, key=lambda each: (-round(share[each.matched], 3), -each.meaning, -each.word_rank)
    )
    worth = {each.post_id: 1 / (K + each.place) if each.place else 0.0 for each in found}
    for rank, each in enumerate(by_words, 1):
        coverage = share[each.matched]
        if coverage >= MIN_COVERAGE or not meaning.available:
            worth[each.post_id] += KEYWORD_WEIGHT * coverage**2 / (K + rank)
    ordered = sorted(found, key=lambda each: (-worth[each.post_id], -each.meaning))
    once: dict[UUID | int, Hit] = {}
    for each in ordered:
        place = _make_hit(each, share[each.matched], meaning)
        if place.score >= least_score:
            once.setdefault(each.post_id if each.picture is None else each.picture, place)
    return _make_monotonic(list(once.values()))


def _make_hit(candidate: Candidate, coverage: float, meaning: EncodedQuery) -> Hit:
    by_meaning, by_words = candidate.meaning, KEYWORD_SCORE * coverage
    if not meaning.available and coverage:
        by_words = max(by_words, KEYWORD_SCORE * MIN_COVERAGE)  # all that there is to go by
    relevant = by_meaning >= meaning.least_score
    if relevant and coverage >= MIN_COVERAGE:
        score = 1 - (1 - by_meaning) * (1 - by_words)
    else:
        score = max(by_meaning, by_words)
    method: Method = "embedding"
    if coverage:
        method = "hybrid" if relevant else "caption"
    image_id = candidate.image_id
    assert image_id is not None  # noqa: S101 - `with_images` has seen to it
    return Hit(
        candidate.post_id,
        image_id,
        score,
        method,
        candidate.matched if coverage else 0,
    )


def _make_monotonic(ranked: list[Hit]) -> list[Hit]:
    """What stands above another of its method is no less relevant, whatever each measure says."""
    most: dict[Method, float] = {}
    risen = []
    for place in reversed(ranked):
        least = most.get(place.method, 0.0)
        risen.append(place if place.score >= least else replace(place, score=least))
        most[place.method] = risen[-1].score
    return risen[::-1]
