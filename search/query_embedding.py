"""What a query means: vectors in the space that the collection is searched in."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from redis import RedisError

from ai import services as ai
from ai.calibration import MIN_SCORES, Modality, scale_for
from posts.full_text import Term, parse_terms
from posts.models import PostImage
from posts.services import get_visible_post
from search.composed_query import TIE_BREAKER_WEIGHT, compose_text
from search.query import Query
from search.score_calibration import CollectionSample, calibrated_scores, collection_sample
from smimso.errors import Unavailable


@dataclass(frozen=True)
class EncodedQuery:
    """vectors, excluded: 512 floats of unit length each, in the space of `model`.

    main: what tells relevance; beside it, `beside` breaks ties. terms: the words that go with it.
    available: whether the AI answered. redis_away: why it did not.
    """

    model: str
    kind: Modality = "text"
    main: np.ndarray | None = None
    beside: np.ndarray | None = None
    excluded: tuple[np.ndarray, ...] = ()
    terms: tuple[Term, ...] = ()
    caption: str = ""
    available: bool = True
    redis_away: bool = False
    sample: CollectionSample = field(
        default_factory=lambda: CollectionSample(np.empty((0, 0), np.float32))
    )

    @property
    def vector(self) -> np.ndarray | None:
        """Of unit length; both parts weigh by how far they spread the collection."""
        if self.main is None or self.beside is None:
            return self.main
        main = self.main / self.sample.spread(self.main, scale_for("text", self.model))
        spread = self.sample.spread(self.beside, scale_for("image", self.model))
        both = main + TIE_BREAKER_WEIGHT * self.beside / spread
        return both / np.linalg.norm(both)

    @property
    def least_score(self) -> float:
        """The usual one; with a picture beside the words, that of pictures."""
        return MIN_SCORES["image" if self.beside is not None else self.kind]

    def scores(self, cosines: np.ndarray) -> np.ndarray:
        """0..1, for cosines to `main`."""
        if self.main is None:
            return np.zeros(len(cosines))
        return calibrated_scores(
            cosines, self.main, kind=self.kind, model=self.model, sample=self.sample
        )


def encode_query(viewer: Any, query: Query) -> EncodedQuery:
    """Raises NotFound for a post that the viewer may not see, and Unavailable when only a picture
    is looked for and no worker can see it; without the AI, words are all that a text means."""
    model = ai.clip_name()
    sample = collection_sample(model)
    seen, caption = _post_embedding(viewer, query.post_id, model) if query.post_id else (None, "")
    if query.vector is not None:
        seen = query.vector
    found = EncodedQuery(model, terms=query.terms, caption=caption, sample=sample)
    try:
        if query.picture is not None:
            vector, described = ai.describe_image(query.picture)
            seen, caption = np.asarray(vector), described or ""
        text = compose_text(caption, query.text) if seen is not None and query.text else query.text
        main = np.asarray(ai.embed_text(text)) if text else None
        excluded = tuple(np.asarray(ai.embed_text(part)) for part in query.excluded)
    except Unavailable as error:
        if query.picture is not None and not query.text:
            raise
        away = isinstance(error.__cause__, RedisError)
        vectors: dict[str, Any] = {} if seen is None else {"main": seen, "kind": "image"}
        if query.text or query.excluded:
            vectors |= {"available": False, "redis_away": away}
        return _with(found, **vectors)
    if main is None:
        words = tuple(parse_terms(caption)) if query.picture is not None else ()
        return _with(
            found, main=seen, kind="image", excluded=excluded, terms=words, caption=caption
        )
    terms = tuple(parse_terms(text)) if seen is not None else query.terms
    return _with(found, main=main, beside=seen, excluded=excluded, terms=terms, caption=caption)


def _with(meaning: EncodedQuery, **changes: Any) -> EncodedQuery:
    return EncodedQuery(**{**meaning.__dict__, **changes})


def _post_embedding(viewer: Any, post_id: UUID, model: str) -> tuple[np.ndarray | None, str]:
    """Of the post's first embedded image; None while it has none."""
    post = get_visible_post(viewer, post_id)
    images = PostImage.objects.filter(post=post).searchable(model).order_by("display_order")
    image = images.values_list("embedding", "ai_caption").first()
    if image is None:
        return None, ""
    return np.asarray(image[0], np.float32), image[1] or ""
