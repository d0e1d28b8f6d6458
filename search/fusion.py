"""One list out of two: by meaning and by words.

Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009): ranks need no common scale.
"""

from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from search.candidates import Candidate
from search.duplicates import collapse
from search.meaning import Meaning

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
    checksum: str = ""
    perceptual_hash: int | None = None


def fused(
    near: list[Candidate], worded: list[Candidate], meaning: Meaning, *, least_score: float
) -> list[Ranked]:
    """Best first; one per post and picture; only those that are relevant enough by themselves."""
    by_words = {candidate.post_id: candidate for candidate in worded}
    merged = {
        candidate.post_id: replace(
            candidate, coverage=known.coverage, word_rank=known.word_rank, matched=known.matched
        )
        if (known := by_words.get(candidate.post_id))
        else candidate
        for candidate in near
    }
    merged = {**by_words, **merged}
    # Words tell many posts apart no further than into groups; there meaning decides.
    worded = sorted(
        (merged[candidate.post_id] for candidate in worded),
        key=lambda c: (-round(c.coverage, 3), -c.meaning, -c.word_rank),
    )
    worth = dict.fromkeys(merged, 0.0)
    for rank, candidate in enumerate(near, 1):
        worth[candidate.post_id] += 1 / (K + rank)
    for rank, candidate in enumerate(worded, 1):
        if candidate.coverage >= LEAST_WORDS or not meaning.available:
            worth[candidate.post_id] += WORDS_WEIGHT * candidate.coverage**2 / (K + rank)
    ordered = sorted(merged.values(), key=lambda c: (-worth[c.post_id], -c.meaning))
    scored = [_scored(candidate, meaning) for candidate in ordered]
    relevant = [place for place in scored if place.score >= least_score]
    return _never_rising(collapse(relevant))


def _scored(candidate: Candidate, meaning: Meaning) -> Ranked:
    by_meaning, by_words = candidate.meaning, WORD_SCORE * candidate.coverage
    if not meaning.available and candidate.coverage:
        by_words = max(by_words, WORD_SCORE * LEAST_WORDS)  # all that there is to go by
    relevant = by_meaning >= meaning.least_score
    if relevant and candidate.coverage >= LEAST_WORDS:
        score = 1 - (1 - by_meaning) * (1 - by_words)
    else:
        score = max(by_meaning, by_words)
    method: Method = "embedding"
    if candidate.matched:
        method = "hybrid" if relevant else "caption"
    image_id = candidate.image_id
    assert image_id is not None  # noqa: S101 - `with_images` has seen to it
    return Ranked(
        candidate.post_id,
        image_id,
        score,
        method,
        candidate.matched,
        candidate.checksum,
        candidate.perceptual_hash,
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
