"""Candidates of a query: the nearest images, the posts with its words, or the newest posts.

Everything here is bounded, however large the collection is. Candidates are complete: each has the
image that stands for its post, a semantic score where there is one, and the terms of the post.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple
from uuid import UUID

import numpy as np
from django.db.models import BooleanField, ExpressionWrapper, Q

from accounts.viewer import Viewer
from posts.full_text import Term, match_all, match_any, rank_by
from posts.ingest.embeddings import AsNumpy
from posts.models import EMBEDDING_DIMENSIONS, Post, PostImage, PostQuerySet, PostSearchDocument
from search.ann.nearest import Neighbor, estimated_rows, nearest_images
from search.dedup import are_copies, compare, first_copies
from search.query import Query
from search.query_embedding import EncodedQuery
from search.score_calibration import calibrated_scores
from smimso.text import WordQuery

MAX_CANDIDATES = 400  # found by vector, and as many found by keywords
MAX_RANKED_POSTS = 5_000  # if more posts have a term, only the newest posts are ranked
NEWEST_POSTS = 20_000
NEWEST_POSTS_WITH_VECTORS = 2_000  # if the vector search found posts, too
MIN_FULL_MATCHES = 20  # with fewer posts that have all terms, partial matches are added
MAX_PARTIAL_MATCHES = 1_000
MAX_TERM_POSTS = 2_000  # partial matches ignore terms that more posts have, if others are rarer
MIN_EXCLUDED_SCORE = 0.3  # an image that matches an excluded text this well is dropped
KEYWORD_SCORE = 0.5  # of a post that has all terms


class Candidate(NamedTuple):
    """A post, represented by one of its images.

    semantic_score: 0..1 (0 = unknown). vector_rank: 1-based rank in the vector results; 0 if found
    by keywords only. text_rank: PostgreSQL's `ts_rank`; 0 if found by vector. matched: bit n is set
    if the post has term n. duplicate_group: a number shared by copies of an image; None without
    copies.
    """

    image: Neighbor
    semantic_score: float
    vector_rank: int = 0
    text_rank: float = 0.0
    matched: int = 0
    duplicate_group: int | None = None

    @property
    def post_id(self) -> UUID:
        return self.image.post_id


class _PostMatch(NamedTuple):
    """A post before an image is chosen for it; the fields are those of Candidate."""

    post_id: UUID
    text_rank: float = 0.0
    matched: int = 0


# --- By vector ----------------------------------------------------------------------------------


def by_vector(
    viewer: Viewer, query: Query, encoded: EncodedQuery, limit: int = MAX_CANDIDATES
) -> list[Candidate]:
    """Return the nearest visible images, one per post, best first."""
    vector = encoded.vector
    if vector is None:
        return []
    images = nearest_images(
        viewer,
        vector.tolist(),
        model=encoded.model,
        limit=limit,
        where=query.filters.image_condition(viewer) & query.keyword_condition("post__"),
        except_post=query.post_id,
    )
    cosines = np.array([1.0 - image.distance for image in images])
    if encoded.tie_breaker is not None:  # ranked by both vectors, scored by the primary one alone
        distances = _distances(encoded, encoded.primary, [image.pk for image in images])
        cosines = np.array([1.0 - distances.get(image.pk, 2.0) for image in images])
    scores = encoded.scores(cosines).tolist()
    hits = [
        Candidate(image, score, rank)
        for rank, (image, score) in enumerate(zip(images, scores, strict=True), 1)
    ]
    return drop_excluded(attach_matches(hits, encoded.terms), encoded)


def attach_matches(candidates: list[Candidate], terms: Sequence[Term]) -> list[Candidate]:
    """Set the bits of the terms that each post has."""
    if not (candidates and terms):
        return candidates
    flags = _term_flags(terms, "")
    rows = PostSearchDocument.objects.filter(pk__in=[each.post_id for each in candidates])
    rows = rows.filter(document=match_any(terms)).annotate(**flags)
    matched = {pk: _as_bits(values) for pk, *values in rows.values_list("pk", *flags)}
    return [
        each._replace(matched=bits) if (bits := matched.get(each.post_id)) else each
        for each in candidates
    ]


# --- By keywords --------------------------------------------------------------------------------


def by_keywords(
    viewer: Viewer,
    query: Query,
    encoded: EncodedQuery,
    vector_hits: Sequence[Candidate],
    min_score: float,
) -> list[Candidate]:
    """Return posts with all terms, or enough of them, that are not among `vector_hits`.

    The posts with the highest coverage come first. Partial matches are looked for only if there
    are few relevant posts. With the AI available, posts whose coverage is worth less than
    `min_score` are left out; without it, keywords are all there is.
    """
    terms = encoded.terms
    if not terms:
        return []
    posts = Post.objects.visible_to(viewer).filter(query.filters.post_condition(viewer))
    posts = posts.filter(query.keyword_condition(""))
    if query.post_id:
        posts = posts.exclude(pk=query.post_id)
    matches = _match_posts(posts, terms, vector_hits, min_score)
    matched = [hit.matched for hit in vector_hits] + [match.matched for match in matches]
    coverage = idf_coverage(matched, len(terms))
    matches = sorted(matches, key=lambda match: -coverage[match.matched])[:MAX_CANDIDATES]
    if encoded.ai_available:
        matches = [each for each in matches if KEYWORD_SCORE * coverage[each.matched] >= min_score]
    return drop_excluded(attach_images(matches, query, encoded), encoded)


def _match_posts(
    posts: PostQuerySet, terms: Sequence[Term], vector_hits: Sequence[Candidate], min_score: float
) -> list[_PostMatch]:
    """Return posts with all terms, then, if there are few, posts with some of them."""
    seen = {hit.post_id for hit in vector_hits if hit.matched}
    all_terms_mask = (1 << len(terms)) - 1
    relevant_count = sum(
        hit.matched == all_terms_mask or hit.semantic_score >= min_score for hit in vector_hits
    )
    with_all, *with_each = _estimated_posts(match_all(terms), *(match_all([t]) for t in terms))
    newest = NEWEST_POSTS_WITH_VECTORS if vector_hits else NEWEST_POSTS
    matches = _rank_posts(posts, terms, match_all(terms), with_all, MAX_CANDIDATES, newest, seen)
    if len(matches) + relevant_count < MIN_FULL_MATCHES and len(terms) > 1:
        # If some terms are rare, a term of very many posts says little about any of them.
        rarer = [term for term, n in zip(terms, with_each, strict=True) if n <= MAX_TERM_POSTS]
        with_some = sum(n for n in with_each if n <= MAX_TERM_POSTS or not rarer)
        seen |= {match.post_id for match in matches}
        words, limit = match_any(rarer or terms), MAX_PARTIAL_MATCHES
        matches += _rank_posts(posts, terms, words, with_some, limit, newest, seen)
    return matches


def _estimated_posts(*words: WordQuery) -> list[int]:
    """Return the planner's estimates. Counting would take longer, the more posts there are."""
    return estimated_rows(*(PostSearchDocument.objects.filter(document=each) for each in words))


def _rank_posts(
    posts: PostQuerySet,
    terms: Sequence[Term],
    words: WordQuery,
    estimate: int,
    limit: int,
    newest: int,
    seen: set[UUID],
) -> list[_PostMatch]:
    """Return the best posts that match `words`, without those in `seen`.

    If `estimate`, the expected number of matches, is large, only the `newest` posts are ranked.
    """
    if estimate > MAX_RANKED_POSTS:
        latest = posts.order_by("-created_at", "-id").values("pk")
        posts = Post.objects.filter(pk__in=latest[:newest])
    flags = _term_flags(terms, "search_document__")
    matching = posts.filter(search_document__document=words)
    ranked = matching.annotate(rank=rank_by(words), **flags).order_by("-rank", "-created_at")
    rows = ranked.values_list("pk", "rank", *flags)[: limit + len(seen)]
    return [_PostMatch(pk, rank, _as_bits(values)) for pk, rank, *values in rows if pk not in seen][
        :limit
    ]


def _term_flags(terms: Sequence[Term], prefix: str) -> dict[str, ExpressionWrapper]:
    """Return a boolean annotation for each term; `prefix` leads to PostSearchDocument."""
    return {
        f"has_{number}": ExpressionWrapper(
            Q(**{f"{prefix}document": match_all([term])}), output_field=BooleanField()
        )
        for number, term in enumerate(terms)
    }


def _as_bits(flags: Iterable[bool]) -> int:
    return sum(flag << number for number, flag in enumerate(flags))


def idf_coverage(matched: Sequence[int], terms: int) -> dict[int, float]:
    """Return the coverage, 0..1, of each set of terms in `matched`.

    matched: for each candidate, the bits of its terms. Coverage is the share of the query's terms
    that the candidate has, weighted by inverse document frequency among these candidates; a term
    that no candidate has weighs most. Where enough candidates have all terms, all others get 0.
    """
    all_terms_mask = (1 << terms) - 1
    counts = Counter(matched)
    if all_terms_mask and counts[all_terms_mask] >= MIN_FULL_MATCHES:
        return {bits: float(bits == all_terms_mask) for bits in counts}
    counts[0] = 0
    idf = []
    for number in range(terms):
        posts = sum(count for bits, count in counts.items() if bits >> number & 1)
        idf.append(math.log(1 + counts.total() / max(posts, 0.5)))
    total = sum(idf) or 1.0
    return {bits: sum(idf[n] for n in range(terms) if bits >> n & 1) / total for bits in counts}


# --- By filters alone ---------------------------------------------------------------------------


def by_filters(viewer: Viewer, query: Query, encoded: EncodedQuery) -> list[Candidate]:
    """Return the newest visible posts that pass the filters and excludes."""
    posts = Post.objects.visible_to(viewer).filter(query.filters.post_condition(viewer))
    posts = posts.filter(query.keyword_condition("")).order_by("-created_at", "-id")
    newest = [_PostMatch(pk) for pk in posts.values_list("pk", flat=True)[:MAX_CANDIDATES]]
    return drop_excluded(attach_images(newest, query, encoded), encoded)


# --- Images -------------------------------------------------------------------------------------


def attach_images(
    matches: Sequence[_PostMatch], query: Query, encoded: EncodedQuery
) -> list[Candidate]:
    """Represent each post by its best image that passes the filters, or by the first such image.

    Posts without such an image are left out.
    """
    if not matches:
        return []
    best = _best_images([match.post_id for match in matches], query, encoded)
    # The distance of an image without a vector is infinite, its score 0.
    scores = encoded.scores(np.array([1.0 - image.distance for image in best.values()])).tolist()
    score_of = dict(zip(best, scores, strict=True))
    return [
        Candidate(best[pk], score_of[pk], text_rank=rank, matched=matched)
        for pk, rank, matched in matches
        if pk in best
    ]


def _best_images(
    post_ids: Sequence[UUID], query: Query, encoded: EncodedQuery
) -> dict[UUID, Neighbor]:
    """Return an image for each post; the distance is infinite where there is no vector."""
    images = PostImage.objects.filter(query.filters.appearance_condition())
    best: dict[UUID, Neighbor] = {}
    if encoded.primary is not None:
        embedded = images.filter(post__in=post_ids).searchable(encoded.model)
        nearest = embedded.nearest(encoded.primary.tolist()).values_list(*Neighbor._fields)
        for image in map(Neighbor._make, nearest):
            best.setdefault(image.post_id, image)
    others = images.filter(post__in=set(post_ids) - best.keys())
    first = others.order_by("display_order", "created_at").values_list(*Neighbor._fields[:-1])
    for row in first:
        best.setdefault(row[1], Neighbor._make([*row, math.inf]))
    return best


def drop_excluded(candidates: list[Candidate], encoded: EncodedQuery) -> list[Candidate]:
    """Drop candidates whose image shows an excluded text."""
    ids = [candidate.image.pk for candidate in candidates]
    excluded: set[UUID] = set()
    for vector in encoded.excluded:
        distances = _distances(encoded, vector, ids)
        cosines = np.array([1.0 - distance for distance in distances.values()])
        scores = calibrated_scores(
            cosines, vector, modality="text", model=encoded.model, sample=encoded.sample
        )
        pairs = zip(distances, scores, strict=True)
        excluded |= {pk for pk, score in pairs if score >= MIN_EXCLUDED_SCORE}
    return [candidate for candidate in candidates if candidate.image.pk not in excluded]


def _distances(
    encoded: EncodedQuery, vector: np.ndarray | None, ids: Iterable[UUID]
) -> dict[UUID, float]:
    """Return the cosine distances, 0..2, of those images that have a vector of the same model."""
    if vector is None:
        return {}
    images = PostImage.objects.filter(pk__in=list(ids)).searchable(encoded.model)
    return dict(images.nearest(vector.tolist()).values_list("pk", "distance"))  # type: ignore[misc]


# --- Copies -------------------------------------------------------------------------------------


def group_duplicates(candidates: Sequence[Candidate], model: str) -> list[Candidate]:
    """Give copies of an image one group, and the best rank and score among them.

    Within a group the oldest image comes first; the group stands where its best candidate stood.
    """
    same, doubtful = compare([candidate.image for candidate in candidates])
    if doubtful.any():
        unsure = np.flatnonzero(doubtful.any(axis=0))
        same |= doubtful & are_copies(_vectors(candidates, unsure, model))
    first = first_copies(same).tolist()
    groups: dict[int, list[int]] = {}
    for n, number in enumerate(first):
        groups.setdefault(number, []).append(n)
    copies = {number: group for number, group in groups.items() if len(group) > 1}
    if not copies:
        return list(candidates)
    grouped = list(candidates)
    for number, group in copies.items():
        score = max(candidates[n].semantic_score for n in group)
        ranks = [candidates[n].vector_rank for n in group if candidates[n].vector_rank]
        for n in group:
            grouped[n] = candidates[n]._replace(
                duplicate_group=number, vector_rank=min(ranks, default=0), semantic_score=score
            )
    ids = [candidates[n].image.pk for n in chain(*copies.values())]
    times = PostImage.objects.filter(pk__in=ids).values_list("pk", "created_at")
    created = {pk: time.timestamp() for pk, time in times}

    def sort_key(n: int) -> tuple[int, float]:
        return first[n], created.get(candidates[n].image.pk, 0.0)

    return [grouped[n] for n in sorted(range(len(candidates)), key=sort_key)]


def _vectors(candidates: Sequence[Candidate], wanted: np.ndarray, model: str) -> np.ndarray:
    """Return float32 [n, 512] of unit length: zeros but for the rows in `wanted` (int [m])."""
    numbers = {candidates[n].image.pk: n for n in wanted.tolist()}
    images = PostImage.objects.filter(pk__in=list(numbers)).searchable(model)
    vectors = np.zeros((len(candidates), EMBEDDING_DIMENSIONS), np.float32)
    for pk, vector in images.values_list("pk", AsNumpy("embedding")):
        vectors[numbers[pk]] = vector
    return vectors
