"""What may be found: the nearest by meaning, the best by words, and what both say of each."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any
from uuid import UUID

import numpy as np
from django.contrib.postgres.search import SearchQuery
from django.db.models import BooleanField, ExpressionWrapper, Q

from posts.full_text import Term, match_all, match_any, rank_by
from posts.ingest.embeddings import AsNumpy
from posts.models import EMBEDDING_DIMENSIONS, Post, PostImage, PostQuerySet, PostSearchDocument
from search.ann.nearest import Neighbor, estimated_rows, nearest_images
from search.dedup import are_copies, compare, first_copies
from search.query import Query
from search.query_embedding import EncodedQuery
from search.score_calibration import calibrated_scores

MAX_CANDIDATES = 400  # of each kind; who wants more asks for something else
MAX_RANKED_POSTS = 5_000  # posts that have a word; above that, only the newest posts are looked at
NEWEST_POSTS, NEWEST_POSTS_WITH_VECTORS = (
    20_000,
    2_000,
)  # the latter beside those that are near by meaning
MIN_FULL_MATCHES = (
    20  # posts with all words; with fewer, posts with some of them are looked for too
)
MAX_PARTIAL_MATCHES, MAX_TERM_POSTS = (
    1_000,
    2_000,
)  # with some of the words; rather not those that more posts have
MIN_EXCLUDED_SCORE = 0.3  # so much like what must not be there


@dataclass(frozen=True)
class Candidate:
    """meaning: 0..1, 0 while unknown. place: by meaning, from 1; 0 for who was found by words.

    matched: the words that the post has, as bits. picture: a number that copies share.
    """

    post_id: UUID
    image_id: UUID | None = None
    meaning: float = 0.0
    word_rank: float = 0.0
    matched: int = 0
    checksum: str = ""
    perceptual_hash: int | None = None
    place: int = 0
    picture: int | None = None


def by_vector(
    viewer: Any, query: Query, meaning: EncodedQuery, most: int = MAX_CANDIDATES
) -> list[Candidate]:
    """Best first, one per post."""
    if meaning.vector is None:
        return []
    images = nearest_images(
        viewer,
        meaning.vector.tolist(),
        model=meaning.model,
        limit=most,
        where=query.filters.of_images(viewer) & query.words("post__"),
        except_post=query.post_id,
    )
    cosines = np.array([1.0 - image.distance for image in images])
    if meaning.beside is not None:
        known = _distances(meaning, meaning.main, [image.pk for image in images])
        cosines = np.array([1.0 - known.get(image.pk, 2.0) for image in images])
    return [
        _with_image(Candidate(image.post_id, place=place), image, float(score))
        for place, (image, score) in enumerate(zip(images, meaning.scores(cosines), strict=True), 1)
    ]


def _with_image(candidate: Candidate, image: Neighbor, meaning: float) -> Candidate:
    return Candidate(  # `replace` takes several times as long
        candidate.post_id,
        image.pk,
        meaning,
        candidate.word_rank,
        candidate.matched,
        image.checksum,
        image.perceptual_hash,
        candidate.place,
    )


def attach_matches(found: list[Candidate], terms: Sequence[Term]) -> list[Candidate]:
    """Each with those of the words that its post has."""
    if not (found and terms):
        return found
    having = _term_flags(terms, "")
    rows = PostSearchDocument.objects.filter(pk__in=[each.post_id for each in found])
    rows = rows.filter(document=match_any(terms)).annotate(**having)
    matched = {pk: _as_bits(has) for pk, *has in rows.values_list("pk", *having)}
    return [
        replace(each, matched=bits) if (bits := matched.get(each.post_id)) else each
        for each in found
    ]


def by_keywords(
    viewer: Any, query: Query, terms: Sequence[Term], near: Sequence[Candidate], least_score: float
) -> list[Candidate]:
    """Posts with all words that are not among `near`, best first.

    Those with some of the words too, where the list would be short otherwise.
    """
    if not terms:
        return []
    posts = Post.objects.visible_to(viewer).filter(query.filters.of_posts(viewer))
    posts = posts.filter(query.words(""))
    if query.post_id:
        posts = posts.exclude(pk=query.post_id)
    seen = {each.post_id for each in near if each.matched}
    everything = (1 << len(terms)) - 1
    told = sum(each.matched == everything or each.meaning >= least_score for each in near)
    with_all, *with_each = _estimated_posts(
        match_all(terms), *(match_all([term]) for term in terms)
    )
    newest = NEWEST_POSTS_WITH_VECTORS if near else NEWEST_POSTS
    found = _rank_by_keywords(
        posts, terms, match_all(terms), with_all, MAX_CANDIDATES, newest, seen
    )
    if len(found) + told < MIN_FULL_MATCHES and len(terms) > 1:
        # Beside rarer words, one that very many posts have says little of any of them.
        rarer = [term for term, n in zip(terms, with_each, strict=True) if n <= MAX_TERM_POSTS]
        with_some = sum(n for n in with_each if n <= MAX_TERM_POSTS or not rarer)
        seen |= {each.post_id for each in found}
        found += _rank_by_keywords(
            posts, terms, match_any(rarer or terms), with_some, MAX_PARTIAL_MATCHES, newest, seen
        )
    share = idf_coverage([*near, *found], len(terms))
    return sorted(found, key=lambda each: -share[each.matched])[:MAX_CANDIDATES]


def newest(viewer: Any, query: Query) -> list[Candidate]:
    """Where nothing is looked for but filters hold."""
    posts = Post.objects.visible_to(viewer).filter(query.filters.of_posts(viewer))
    posts = posts.filter(query.words("")).order_by("-created_at", "-id")
    return [Candidate(pk) for pk in posts.values_list("pk", flat=True)[:MAX_CANDIDATES]]


def _estimated_posts(*words: SearchQuery) -> list[int]:
    """As many as the planner expects: counting them takes the longer the more there are."""
    return estimated_rows(*(PostSearchDocument.objects.filter(document=each) for each in words))


def _rank_by_keywords(
    posts: PostQuerySet,
    terms: Sequence[Term],
    words: SearchQuery,
    expected: int,
    most: int,
    newest: int,
    seen: set[UUID],
) -> list[Candidate]:
    """Bounded: of words that very many posts have, only the newest posts are looked at."""
    if expected > MAX_RANKED_POSTS:
        latest = posts.order_by("-created_at", "-id").values("pk")
        posts = Post.objects.filter(pk__in=latest[:newest])
    having = _term_flags(terms, "search_document__")
    found = posts.filter(search_document__document=words).annotate(rank=rank_by(words), **having)
    rows = found.order_by("-rank", "-created_at").values_list("pk", "rank", *having)
    return [
        Candidate(pk, word_rank=rank, matched=_as_bits(has))
        for pk, rank, *has in rows[: most + len(seen)]
        if pk not in seen
    ][:most]


def _term_flags(terms: Sequence[Term], prefix: str) -> dict[str, ExpressionWrapper]:
    """Annotations, one for each term; prefix leads to PostSearchDocument."""
    return {
        f"has_{number}": ExpressionWrapper(
            Q(**{f"{prefix}document": match_all([term])}), output_field=BooleanField()
        )
        for number, term in enumerate(terms)
    }


def _as_bits(flags: Iterable[bool]) -> int:
    return sum(has << number for number, has in enumerate(flags))


def idf_coverage(found: Sequence[Candidate], terms: int) -> dict[int, float]:
    """For each set of words, as bits: its share by inverse document frequency among the found.

    A word that nothing has counts most. Where enough posts have all words, some are worth nothing.
    """
    everything = (1 << terms) - 1
    having = Counter(each.matched for each in found)
    if everything and having[everything] >= MIN_FULL_MATCHES:
        return {bits: float(bits == everything) for bits in having}
    having[0] = 0
    telling = []
    for number in range(terms):
        posts = sum(count for bits, count in having.items() if bits >> number & 1)
        telling.append(math.log(1 + having.total() / max(posts, 0.5)))
    total = sum(telling) or 1.0
    return {bits: sum(telling[n] for n in range(terms) if bits >> n & 1) / total for bits in having}


# --- What is known of candidates ----------------------------------------------------------------


def attach_images(found: list[Candidate], query: Query, meaning: EncodedQuery) -> list[Candidate]:
    """Each with the best image that passes the filters, or the first such; others are left out."""
    lacking = [candidate.post_id for candidate in found if candidate.image_id is None]
    if not lacking:
        return found
    pictures = PostImage.objects.filter(query.filters.of_picture())
    best: dict[UUID, Neighbor] = {}
    if meaning.main is not None:
        images = pictures.filter(post__in=lacking).searchable(meaning.model)
        near = images.nearest(meaning.main.tolist())
        for image in map(Neighbor._make, near.values_list(*Neighbor._fields)):
            best.setdefault(image.post_id, image)
    cosines = np.array([1.0 - image.distance for image in best.values()])
    score = dict(zip(best, meaning.scores(cosines), strict=True))
    firsts = pictures.filter(post__in=set(lacking) - best.keys())
    for row in firsts.order_by("display_order", "created_at").values_list(*Neighbor._fields[:-1]):
        best.setdefault(row[1], Neighbor._make([*row, math.inf]))
    completed = []
    for candidate in found:
        if candidate.image_id is None and candidate.post_id in best:
            known = float(score.get(candidate.post_id, 0.0))
            candidate = _with_image(candidate, best[candidate.post_id], known)
        if candidate.image_id is not None:
            completed.append(candidate)
    return completed


def group_duplicates(found: Sequence[Candidate], model: str) -> list[Candidate]:
    """Copies get one number, and the place and meaning of the best; the oldest stands first."""
    same, doubtful = compare(found)
    if doubtful.any():
        same |= doubtful & are_copies(_vectors(found, np.flatnonzero(doubtful.any(axis=0)), model))
    first = first_copies(same).tolist()
    groups: dict[int, list[int]] = {}
    for n, number in enumerate(first):
        groups.setdefault(number, []).append(n)
    several = {number: copies for number, copies in groups.items() if len(copies) > 1}
    if not several:
        return list(found)
    joined = list(found)
    for number, copies in several.items():
        meaning = max(found[n].meaning for n in copies)
        place = min((found[n].place for n in copies if found[n].place), default=0)
        for n in copies:
            joined[n] = replace(found[n], picture=number, place=place, meaning=meaning)
    ids = [pk for n in chain(*several.values()) if (pk := found[n].image_id)]
    times = PostImage.objects.filter(pk__in=ids).values_list("pk", "created_at")
    posted: dict[UUID | None, float] = {pk: time.timestamp() for pk, time in times}
    order = sorted(range(len(found)), key=lambda n: (first[n], posted.get(found[n].image_id, 0.0)))
    return [joined[n] for n in order]


def _vectors(found: Sequence[Candidate], wanted: np.ndarray, model: str) -> np.ndarray:
    """float32 [n, 512], of unit length; zeros but for those wanted (int [m]) that have one."""
    numbers = {pk: n for n in wanted.tolist() if (pk := found[n].image_id)}
    images = PostImage.objects.filter(pk__in=list(numbers)).searchable(model)
    vectors = np.zeros((len(found), EMBEDDING_DIMENSIONS), np.float32)
    for pk, vector in images.values_list("pk", AsNumpy("embedding")):
        vectors[numbers[pk]] = vector
    return vectors


def drop_excluded(found: list[Candidate], meaning: EncodedQuery) -> list[Candidate]:
    """Leaves out whose image shows what must not be there."""
    ids = [candidate.image_id for candidate in found if candidate.image_id]
    shown: set[UUID] = set()
    for vector in meaning.excluded:
        near = _distances(meaning, vector, ids)
        cosines = np.array([1.0 - distance for distance in near.values()])
        like = calibrated_scores(
            cosines, vector, kind="text", model=meaning.model, sample=meaning.sample
        )
        shown |= {pk for pk, score in zip(near, like, strict=True) if score >= MIN_EXCLUDED_SCORE}
    return [candidate for candidate in found if candidate.image_id not in shown]


def _distances(
    meaning: EncodedQuery, vector: np.ndarray | None, ids: Iterable[UUID]
) -> dict[UUID, float]:
    """Cosine distances, 0..2, of those images that have a vector of the same model."""
    if vector is None:
        return {}
    images = PostImage.objects.filter(pk__in=list(ids)).searchable(meaning.model)
    return dict(images.nearest(vector.tolist()).values_list("pk", "distance"))  # type: ignore[misc]
