"""One ranked list from the vector results and the keyword results.

Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009): ranks need no common scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from search.query_embedding import EncodedQuery
from search.retrieval import KEYWORD_SCORE, Candidate, idf_coverage

Method = Literal["embedding", "caption", "hybrid", "filters"]
K = 60  # as in the paper
KEYWORD_WEIGHT = 0.1  # of the keyword list; the vector list has 1 (benchmarks/relevance.py)
MIN_COVERAGE = 0.6  # below it, keywords neither lift a post nor add to its score


@dataclass(frozen=True)
class Hit:
    """An entry of the ranked list. score: 0..1; it never rises among hits of one method."""

    post_id: UUID
    image_id: UUID
    score: float
    method: Method
    matched: int = 0


def fuse(candidates: Sequence[Candidate], encoded: EncodedQuery, *, min_score: float) -> list[Hit]:
    """Return the hits with at least `min_score`, best first, one per post and per image.

    Of copies with the same score, the one with more terms stays, then the first one.
    """
    coverage = idf_coverage([each.matched for each in candidates], len(encoded.terms))
    # Coverage has few distinct values; among equal ones the semantic score decides.
    by_keywords = sorted(
        candidates,
        key=lambda each: (-round(coverage[each.matched], 3), -each.semantic_score, -each.text_rank),
    )
    rrf_score = {
        each.post_id: 1 / (K + each.vector_rank) if each.vector_rank else 0.0 for each in candidates
    }
    for rank, each in enumerate(by_keywords, 1):
        share = coverage[each.matched]
        if share >= MIN_COVERAGE or not encoded.ai_available:
            rrf_score[each.post_id] += KEYWORD_WEIGHT * share**2 / (K + rank)
    ordered = sorted(candidates, key=lambda each: (-rrf_score[each.post_id], -each.semantic_score))
    hits: dict[UUID | int, Hit] = {}
    for each in ordered:
        hit = _make_hit(each, coverage[each.matched], encoded)
        if hit.score >= min_score:
            key = each.post_id if each.duplicate_group is None else each.duplicate_group
            hits.setdefault(key, hit)
    return _make_monotonic(list(hits.values()))


def _make_hit(candidate: Candidate, coverage: float, encoded: EncodedQuery) -> Hit:
    semantic_score, keyword_score = candidate.semantic_score, KEYWORD_SCORE * coverage
    if not encoded.ai_available and coverage:  # there is nothing else to go by
        keyword_score = max(keyword_score, KEYWORD_SCORE * MIN_COVERAGE)
    is_relevant = semantic_score >= encoded.default_min_score
    if is_relevant and coverage >= MIN_COVERAGE:
        score = 1 - (1 - semantic_score) * (1 - keyword_score)
    else:
        score = max(semantic_score, keyword_score)
    method: Method = "embedding"
    if coverage:
        method = "hybrid" if is_relevant else "caption"
    return Hit(
        candidate.post_id,
        candidate.image.pk,
        score,
        method,
        candidate.matched if coverage else 0,
    )


def _make_monotonic(hits: list[Hit]) -> list[Hit]:
    """Raise scores that are below those of a later hit of the same method."""
    highest: dict[Method, float] = {}
    raised = []
    for hit in reversed(hits):
        score = highest.get(hit.method, 0.0)
        raised.append(hit if hit.score >= score else replace(hit, score=score))
        highest[hit.method] = raised[-1].score
    return raised[::-1]
