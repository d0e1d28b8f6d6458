"""Search for posts by a text, an image, another post, or any mix of them, under filters.

A query takes one path: encode_query → by_vector → by_keywords → group_duplicates → fuse → store →
page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from PIL import Image

from accounts.viewer import Viewer
from ai.calibration import MIN_SCORES
from ai.vector_space import in_one_vector_space
from posts.models import Post, PostImage
from search import result_store, retrieval
from search.ann import recall
from search.dedup import collapse
from search.fusion import Hit, Method, fuse
from search.query import Query, QueryType, parse_query
from search.query_embedding import EncodedQuery, encode_query
from search.result_store import ResultList
from smimso.errors import InvalidInput

# Used unless a program asks for another minimum.
MIN_TEXT_SCORE, MIN_IMAGE_SCORE = MIN_SCORES["text"], MIN_SCORES["image"]
MIN_SIMILAR_SCORE = 0.0


@dataclass(frozen=True)
class Match:
    """A post in the results, with its best image. score: 0..1. words: the query's words it has."""

    post: Post
    image: PostImage
    score: float
    method: Method
    words: list[str] = field(default_factory=list)

    @property
    def displayed_score(self) -> float | None:
        """The score if it measures similarity; None if only words or filters matched."""
        return self.score if self.method in ("embedding", "hybrid") else None


@dataclass(frozen=True)
class Page:
    """A page of matches. total: length of the whole list.

    ai_available: False if the query could not be embedded, so that only its words were compared.
    caption: generated for the query's image.
    """

    matches: list[Match]
    cursor: str | None = None
    ai_available: bool = True
    caption: str = ""
    query_type: QueryType = "text"
    total: int = 0


def search(
    viewer: Viewer,
    query: Query,
    *,
    limit: int,
    min_score: float | None = None,
    paginate: bool = True,
) -> Page:
    """Return the first page of results. With `paginate`, its cursor leads to the next page.

    min_score: 0..1; by default the usual one for this type of query. Raises InvalidInput for an
    empty query, NotFound for a post that the viewer may not see, and Unavailable if the query is
    an image alone and no AI worker answers.
    """
    if query.is_empty:
        raise InvalidInput("search_query_required")
    encoded, hits = _rank(viewer, query, min_score, None if paginate else limit)
    results = ResultList(
        hits,
        {
            "ai": encoded.ai_available,
            "caption": encoded.caption if query.image is not None else "",
            "kind": query.query_type,
            "words": [term.text for term in encoded.terms],
        },
    )
    if paginate and len(hits) > limit and not encoded.redis_unavailable:
        results = result_store.store(results)
    return _page(viewer, results, limit, paginate=paginate)


def next_page(viewer: Viewer, cursor: str, *, limit: int) -> Page:
    """Raise InvalidInput if the cursor is malformed, another viewer's or expired."""
    return _page(viewer, result_store.load(viewer, cursor), limit)


def search_text(viewer: Viewer, text: str, *, limit: int, min_score: float) -> Page:
    """Search by vector and keywords; by keywords alone if no worker can embed the text."""
    query = parse_query(text)
    return search(viewer, query, limit=limit, min_score=min_score, paginate=False)


def search_image(viewer: Viewer, image: Image.Image, *, limit: int, min_score: float) -> Page:
    """Search by an uploaded image, which is not stored. Raises Unavailable without a worker."""
    query = Query(image=image)
    return search(viewer, query, limit=limit, min_score=min_score, paginate=False)


def similar_posts(viewer: Viewer, post_id: UUID, *, limit: int) -> list[Match]:
    """Return the posts whose best image is nearest to the post's first embedded one.

    Empty while the post has no embedding. Raises NotFound if the viewer may not see the post.
    """
    query = Query(post_id=post_id)
    page = search(viewer, query, limit=limit, min_score=MIN_SIMILAR_SCORE, paginate=False)
    return page.matches


def search_vector(viewer: Viewer, vector: Sequence[float], *, limit: int) -> list[Match]:
    """Search by 512 floats, of any length but 0, in the space that the collection is in."""
    values = np.asarray(vector, dtype=np.float64)
    values = values / np.abs(values).max()  # the squares of very large values are infinite
    query = Query(vector=values / np.linalg.norm(values))
    page = search(viewer, query, limit=limit, min_score=MIN_SIMILAR_SCORE, paginate=False)
    return page.matches


# --- From the query to the list -----------------------------------------------------------------


@in_one_vector_space
def _rank(
    viewer: Viewer, query: Query, min_score: float | None, limit: int | None
) -> tuple[EncodedQuery, list[Hit]]:
    """Return the ranked hits: all of them, or about `limit` if there will be no further page."""
    encoded = encode_query(viewer, query)
    if not query.has_subject:
        return encoded, _hits_by_filters(viewer, query, encoded)
    if query.query_type == "text" and encoded.primary is not None:
        recall.record_text_query(encoded.primary.tolist(), encoded.model)
    if min_score is None:
        min_score = encoded.default_min_score
    candidates = retrieval.by_vector(viewer, query, encoded, _candidate_count(query, limit))
    hits = _fuse(candidates, encoded, min_score) if limit else []
    if limit is None or (encoded.terms and len(hits) < limit):  # keywords fill up a single page
        candidates += retrieval.by_keywords(viewer, query, encoded, candidates, min_score)
        hits = _fuse(candidates, encoded, min_score)
    return encoded, _sort_newest_first(hits) if query.sort == "date" else hits


def _fuse(
    candidates: list[retrieval.Candidate], encoded: EncodedQuery, min_score: float
) -> list[Hit]:
    grouped = retrieval.group_duplicates(candidates, encoded.model)
    return fuse(grouped, encoded, min_score=min_score)


def _candidate_count(query: Query, limit: int | None) -> int:
    """Return how many images to look up by vector, so that duplicates leave enough of them."""
    if limit is None or query.excluded:
        return retrieval.MAX_CANDIDATES
    return min(retrieval.MAX_CANDIDATES, max(100, 5 * limit))


def _hits_by_filters(viewer: Viewer, query: Query, encoded: EncodedQuery) -> list[Hit]:
    candidates = retrieval.by_filters(viewer, query, encoded)
    images = collapse([candidate.image for candidate in candidates])
    return [Hit(image.post_id, image.pk, 1.0, "filters") for image in images]


def _sort_newest_first(hits: list[Hit]) -> list[Hit]:
    posts = Post.objects.filter(pk__in=[hit.post_id for hit in hits])
    times = dict(posts.values_list("pk", "created_at"))
    existing = [hit for hit in hits if hit.post_id in times]
    return sorted(existing, key=lambda hit: times[hit.post_id], reverse=True)


# --- From the list to a page --------------------------------------------------------------------


def _page(viewer: Viewer, results: ResultList, limit: int, *, paginate: bool = True) -> Page:
    """Fill a page from the list, as long as the viewer may see enough of the rest."""
    hits, metadata = results.hits, results.metadata
    matches: list[Match] = []
    position = results.start
    while len(matches) < limit and position < len(hits):
        part = hits[position : position + limit - len(matches)]
        matches += load_matches(viewer, part, metadata["words"])
        position += len(part)
    has_more = paginate and position < len(hits)
    return Page(
        matches,
        cursor=result_store.make_cursor(viewer, results, position) if has_more else None,
        ai_available=metadata["ai"],
        caption=metadata["caption"],
        query_type=metadata["kind"],
        total=len(hits),
    )


def load_matches(viewer: Viewer, hits: list[Hit], words: Sequence[str] = ()) -> list[Match]:
    """Load the posts of the hits that the viewer may see now. words: one for each bit."""
    posts = Post.objects.visible_to(viewer).for_display(viewer)
    by_id = posts.in_bulk([hit.post_id for hit in hits])
    matches = []
    for hit in hits:
        post = by_id.get(hit.post_id)
        # The prefetched images: a hit whose image was deleted since is not shown.
        images = {image.pk: image for image in post.images.all()} if post else {}
        if post is None or hit.image_id not in images:
            continue
        matched = [word for number, word in enumerate(words) if hit.matched >> number & 1]
        matches.append(Match(post, images[hit.image_id], hit.score, hit.method, matched))
    return matches
