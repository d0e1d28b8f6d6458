"""Finding posts: by text, a picture, another post, or any mix of them, under filters."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from PIL import Image

from ai.calibration import MIN_SCORES
from ai.vector_space import in_one_vector_space
from posts.models import Post, PostImage
from search import fusion, result_store, retrieval
from search.ann import recall
from search.dedup import collapse
from search.fusion import Hit, Method
from search.query import Query, parse_query
from search.query_embedding import EncodedQuery, encode_query
from search.result_store import ResultList
from smimso.errors import InvalidInput

# The least that counts, unless a program asks for another.
MIN_TEXT_SCORE, MIN_IMAGE_SCORE = MIN_SCORES["text"], MIN_SCORES["image"]
MIN_SIMILAR_SCORE = 0.0


@dataclass(frozen=True)
class Match:
    """A post that was found, with its best image. score: 0..1. words: those that it has."""

    post: Post
    image: PostImage
    score: float
    method: Method
    words: list[str] = field(default_factory=list)

    @property
    def shown_score(self) -> float | None:
        """None where words alone, or filters, have no measure of how well it matches."""
        return self.score if self.method in ("embedding", "hybrid") else None


@dataclass(frozen=True)
class Page:
    """by_meaning: False when the AI was away and only words were compared. total: of the list."""

    matches: list[Match]
    cursor: str | None = None
    by_meaning: bool = True
    caption: str = ""
    kind: str = "text"
    total: int = 0


def search(
    viewer: Any,
    query: Query,
    *,
    limit: int,
    least_score: float | None = None,
    goes_on: bool = True,
) -> Page:
    """The first page of what `query` finds; its cursor leads to the rest if it `goes_on`.

    least_score: 0..1; by default the usual one of the query's kind. Raises InvalidInput for a
    query without anything in it, NotFound for a post that the viewer may not see, Unavailable when
    only a picture is looked for and the AI is away.
    """
    if not (query.looks_for_something or query.excluded or query.filters):
        raise InvalidInput("search_query_required")
    meaning, ranked = _rank(viewer, query, least_score, None if goes_on else limit)
    about = {
        "ai": meaning.available,
        "caption": meaning.caption if query.picture is not None else "",
        "kind": query.kind,
        "words": [term.text for term in meaning.terms],
    }
    found = ResultList(ranked, about)
    if len(ranked) > limit and goes_on:
        found = result_store.store(found, redis_away=meaning.redis_away)
    return _page(viewer, found, limit, goes_on=goes_on)


def next_page(viewer: Any, cursor: str, *, limit: int) -> Page:
    """Raises InvalidInput for a cursor that is none, another's or too old."""
    return _page(viewer, result_store.load(viewer, cursor), limit)


def search_text(viewer: Any, text: str, *, limit: int, least_score: float) -> Page:
    """By meaning and words; by words alone when no worker can embed the query."""
    query = parse_query(text)
    return search(viewer, query, limit=limit, least_score=least_score, goes_on=False)


def search_image(viewer: Any, image: Image.Image, *, limit: int, least_score: float) -> Page:
    """By an uploaded picture, which is not kept. Raises Unavailable without a worker."""
    query = Query(picture=image)
    return search(viewer, query, limit=limit, least_score=least_score, goes_on=False)


def similar_posts(viewer: Any, post_id: UUID, *, limit: int) -> list[Match]:
    """Posts whose best image is nearest to the post's first embedded one.

    Empty while the post has not been embedded. Raises NotFound for an invisible post.
    """
    query = Query(post_id=post_id)
    found = search(viewer, query, limit=limit, least_score=MIN_SIMILAR_SCORE, goes_on=False)
    return found.matches


def search_vector(viewer: Any, vector: Sequence[float], *, limit: int) -> list[Match]:
    """vector: 512 floats, of any length but 0, in the space that the collection is searched in."""
    numbers = np.asarray(vector, dtype=np.float64)
    numbers = numbers / np.abs(numbers).max()  # the squares of very large ones are infinite
    query = Query(vector=numbers / np.linalg.norm(numbers))
    found = search(viewer, query, limit=limit, least_score=MIN_SIMILAR_SCORE, goes_on=False)
    return found.matches


# --- From the query to the list -----------------------------------------------------------------


@in_one_vector_space
def _rank(
    viewer: Any, query: Query, least_score: float | None, most: int | None
) -> tuple[EncodedQuery, list[Hit]]:
    """The one place that asks the AI for vectors and compares them with the collection's.

    most: so many are asked for; None for all.
    """
    meaning = encode_query(viewer, query)
    if not query.looks_for_something:
        found = retrieval.attach_images(retrieval.newest(viewer, query), query, meaning)
        found = collapse(retrieval.drop_excluded(found, meaning))
        return meaning, [_by_filters(candidate) for candidate in found]
    if query.kind == "text" and meaning.main is not None:
        recall.record_text_query(meaning.main.tolist(), meaning.model)
    least = meaning.least_score if least_score is None else least_score
    near = retrieval.by_vector(viewer, query, meaning, _candidate_count(query, most))
    near = retrieval.drop_excluded(retrieval.attach_matches(near, meaning.terms), meaning)
    ranked = _fused(near, meaning, least) if most else []
    if most is None or len(ranked) < most:
        worded = retrieval.by_keywords(viewer, query, meaning.terms, near, least)
        worded = fusion.relevant_keyword_hits(worded, near, meaning, least)
        others = retrieval.attach_images(worded, query, meaning)
        others = retrieval.drop_excluded(others, meaning)
        ranked = _fused([*near, *others], meaning, least)
    return meaning, _sort_newest_first(ranked) if query.sort == "date" else ranked


def _fused(found: list[retrieval.Candidate], meaning: EncodedQuery, least: float) -> list[Hit]:
    pictures = retrieval.group_duplicates(found, meaning.model)
    return fusion.fuse(pictures, meaning, least_score=least)


def _candidate_count(query: Query, most: int | None) -> int:
    """How many to draw by meaning, so that repetitions leave enough."""
    if most is None or query.excluded:
        return retrieval.MAX_CANDIDATES
    return min(retrieval.MAX_CANDIDATES, max(100, 5 * most))


def _by_filters(candidate: retrieval.Candidate) -> Hit:
    assert candidate.image_id is not None  # noqa: S101 - `with_images` has seen to it
    return Hit(candidate.post_id, candidate.image_id, 1.0, "filters")


def _sort_newest_first(ranked: list[Hit]) -> list[Hit]:
    times = dict(
        Post.objects.filter(pk__in=[place.post_id for place in ranked]).values_list(
            "pk", "created_at"
        )
    )
    known = [place for place in ranked if place.post_id in times]
    return sorted(known, key=lambda place: times[place.post_id], reverse=True)


# --- From the list to a page --------------------------------------------------------------------


def _page(viewer: Any, found: ResultList, limit: int, *, goes_on: bool = True) -> Page:
    """Full, as long as the viewer may see enough of the rest of the list."""
    matches: list[Match] = []
    place = found.start
    while len(matches) < limit and place < len(found.ranked):
        part = found.ranked[place : place + limit - len(matches)]
        matches += load_matches(viewer, part, found.about["words"])
        place += len(part)
    rest = place < len(found.ranked)
    return Page(
        matches,
        cursor=result_store.make_cursor(viewer, found, place) if goes_on and rest else None,
        by_meaning=found.about["ai"],
        caption=found.about["caption"],
        kind=found.about["kind"],
        total=len(found.ranked),
    )


def load_matches(viewer: Any, part: list[Hit], words: Sequence[str] = ()) -> list[Match]:
    """Those that the viewer may see at this moment."""
    posts = Post.objects.visible_to(viewer).for_display(viewer)
    shown = posts.in_bulk([place.post_id for place in part])
    found = []
    for place in part:
        post = shown.get(place.post_id)
        # Of those that the post was fetched with: an image that is gone is not shown.
        images = {image.pk: image for image in post.images.all()} if post else {}
        if post is None or place.image_id not in images:
            continue
        matched = [word for number, word in enumerate(words) if place.matched >> number & 1]
        found.append(Match(post, images[place.image_id], place.score, place.method, matched))
    return found
