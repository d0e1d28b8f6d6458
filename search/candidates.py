"""What may be found: the nearest by meaning, the best by words, and what both say of each."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import BooleanField, ExpressionWrapper, Q

from posts.models import Post, PostImage, PostQuerySet, PostWords
from posts.words import Term, all_of, any_of, rank_by
from search.meaning import Meaning
from search.nearest import nearest_images
from search.query import Query
from search.relevance import scores

MOST = 400  # of each kind; who wants more asks for something else
MOST_RANKED = 5_000  # posts that have a word; above that, only the newest posts are looked at
NEWEST = 20_000
FEW = 20  # posts with all words; with fewer, posts with some of them are looked for too
SOME = 1_000
EXCLUDED_SCORE = 0.3  # so much like what must not be there


@dataclass(frozen=True)
class Candidate:
    """meaning: 0..1, 0 while unknown. coverage: the share of the words, by how telling they are."""

    post_id: UUID
    created_at: datetime | None = None
    image_id: UUID | None = None
    meaning: float = 0.0
    coverage: float = 0.0
    word_rank: float = 0.0
    matched: int = 0  # the words, as bits


def by_meaning(viewer: Any, query: Query, meaning: Meaning) -> list[Candidate]:
    """Best first; at most MOST, one per post."""
    if meaning.vector is None:
        return []
    images = nearest_images(
        viewer,
        meaning.vector.tolist(),
        model=meaning.model,
        limit=MOST,
        where=query.filters.of_images(viewer) & query.words("post__"),
        except_post=query.post_id,
    )
    cosines = np.array([1.0 - image.distance for image in images])
    if meaning.beside is not None:
        known = _distances(meaning, meaning.main, [image.pk for image in images])
        cosines = np.array([1.0 - known.get(image.pk, 2.0) for image in images])
    return [
        Candidate(image.post_id, image_id=image.pk, meaning=float(score))
        for image, score in zip(images, meaning.scores(cosines), strict=True)
    ]


def by_words(viewer: Any, query: Query, terms: Sequence[Term]) -> list[Candidate]:
    """Posts with all words, then those with some if the former are few; at most MOST."""
    if not terms:
        return []
    posts = Post.objects.visible_to(viewer).filter(query.filters.of_posts(viewer))
    posts = posts.filter(query.words(""))
    if query.post_id:
        posts = posts.exclude(pk=query.post_id)
    found = _ranked(posts, terms, all_of(terms), MOST)
    if len(found) < FEW and len(terms) > 1:
        known = {candidate.post_id for candidate in found}
        some = _ranked(posts, terms, any_of(terms), SOME)
        found += [candidate for candidate in some if candidate.post_id not in known]
    found = _with_coverage(found, len(terms))
    return sorted(found, key=lambda candidate: -candidate.coverage)[:MOST]


def newest(viewer: Any, query: Query) -> list[Candidate]:
    """Where nothing is looked for but filters hold."""
    posts = Post.objects.visible_to(viewer).filter(query.filters.of_posts(viewer))
    posts = posts.filter(query.words("")).order_by("-created_at", "-id")
    rows = posts.values_list("pk", "created_at")[:MOST]
    return [Candidate(pk, created_at, coverage=1.0) for pk, created_at in rows]


def _ranked(posts: PostQuerySet, terms: Sequence[Term], words: Any, most: int) -> list[Candidate]:
    """Bounded: of words that very many posts have, only the newest posts are looked at."""
    if PostWords.objects.filter(document=words)[: MOST_RANKED + 1].count() > MOST_RANKED:
        latest = posts.order_by("-created_at", "-id").values("pk")[:NEWEST]
        posts = Post.objects.filter(pk__in=latest)
    bits = {
        f"has_{number}": ExpressionWrapper(
            Q(words__document=all_of([term])), output_field=BooleanField()
        )
        for number, term in enumerate(terms)
    }
    found = posts.filter(words__document=words).annotate(rank=rank_by(words), **bits)
    rows = found.order_by("-rank", "-created_at").values_list("pk", "created_at", "rank", *bits)
    return [
        Candidate(
            pk, created_at, word_rank=rank, matched=sum(has << n for n, has in enumerate(flags))
        )
        for pk, created_at, rank, *flags in rows[:most]
    ]


def _with_coverage(found: list[Candidate], terms: int) -> list[Candidate]:
    """By inverse document frequency among what was found; a word that nothing has counts most."""
    telling = []
    for number in range(terms):
        having = sum(candidate.matched >> number & 1 for candidate in found)
        telling.append(math.log(1 + len(found) / max(having, 0.5)))
    total = sum(telling)
    return [
        replace(
            candidate,
            coverage=sum(telling[n] for n in range(terms) if candidate.matched >> n & 1) / total,
        )
        for candidate in found
    ]


# --- What is known of candidates ----------------------------------------------------------------


def with_images(found: list[Candidate], query: Query, meaning: Meaning) -> list[Candidate]:
    """Each with the best image that passes the filters, or the first such; others are left out."""
    pictures = PostImage.objects.filter(query.filters.of_picture())
    lacking = [candidate.post_id for candidate in found if candidate.image_id is None]
    best: dict[UUID, tuple[UUID, float]] = {}
    if meaning.main is not None:
        images = pictures.filter(post__in=lacking).searchable(meaning.model)
        near = images.nearest(meaning.main.tolist())
        for pk, post_id, distance in near.values_list("pk", "post_id", "distance"):  # type: ignore[misc]
            best.setdefault(post_id, (pk, distance))
    firsts = pictures.filter(post__in=set(lacking) - best.keys())
    for pk, post_id in firsts.order_by("display_order", "created_at").values_list("pk", "post_id"):
        best.setdefault(post_id, (pk, math.inf))
    rows = list(best.items())
    cosines = np.array([1.0 - min(distance, 2.0) for _, (_, distance) in rows])
    score = dict(zip((key for key, _ in rows), meaning.scores(cosines), strict=True))
    completed = []
    for candidate in found:
        if candidate.image_id is None and candidate.post_id in best:
            image_id, distance = best[candidate.post_id]
            known = 0.0 if distance == math.inf else float(score[candidate.post_id])
            candidate = replace(candidate, image_id=image_id, meaning=known)
        if candidate.image_id is not None:
            completed.append(candidate)
    return completed


def without_excluded(found: list[Candidate], meaning: Meaning) -> list[Candidate]:
    """Leaves out whose image shows what must not be there."""
    ids = [candidate.image_id for candidate in found if candidate.image_id]
    shown: set[UUID] = set()
    for vector in meaning.excluded:
        near = _distances(meaning, vector, ids)
        cosines = np.array([1.0 - distance for distance in near.values()])
        like = scores(cosines, vector, kind="text", model=meaning.model, sample=meaning.sample)
        shown |= {pk for pk, score in zip(near, like, strict=True) if score >= EXCLUDED_SCORE}
    return [candidate for candidate in found if candidate.image_id not in shown]


def _distances(
    meaning: Meaning, vector: np.ndarray | None, ids: Iterable[UUID]
) -> dict[UUID, float]:
    """Cosine distances, 0..2, of those images that have a vector of the same model."""
    if vector is None:
        return {}
    images = PostImage.objects.filter(pk__in=list(ids)).searchable(meaning.model)
    return dict(images.nearest(vector.tolist()).values_list("pk", "distance"))  # type: ignore[misc]
