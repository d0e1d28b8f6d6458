"""A query's vectors, in the vector space that the collection is searched in."""

from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np
from redis import RedisError

from accounts.viewer import Viewer
from ai import services as ai
from ai.calibration import MIN_SCORES, Modality
from posts.full_text import Term, parse_terms
from posts.models import PostImage
from posts.services import get_visible_post
from search.composed_query import compose_text, compose_vector
from search.query import Query
from search.score_calibration import EMPTY_SAMPLE, CollectionSample, calibrated_scores, get_sample
from smimso.errors import Unavailable


@dataclass(frozen=True)
class EncodedQuery:
    """A query as vectors and terms. Vectors: 512 floats of unit length in the space of `model`.

    primary: the vector that scores are computed from, of a text or an image (`modality`).
    tie_breaker: the vector of an image that a text changes. terms: the keywords to look for.
    caption: of the image. ai_available: False if texts could not be embedded; redis_unavailable:
    because Redis could not be reached.
    """

    model: str
    modality: Modality = "text"
    primary: np.ndarray | None = None
    tie_breaker: np.ndarray | None = None
    excluded: tuple[np.ndarray, ...] = ()
    terms: tuple[Term, ...] = ()
    caption: str = ""
    ai_available: bool = True
    redis_unavailable: bool = False
    sample: CollectionSample = field(default=EMPTY_SAMPLE)

    @property
    def vector(self) -> np.ndarray | None:
        """The unit vector to search by; None if there is no vector at all."""
        if self.primary is None or self.tie_breaker is None:
            return self.primary
        return compose_vector(self.primary, self.tie_breaker, model=self.model, sample=self.sample)

    @property
    def default_min_score(self) -> float:
        """The usual minimum score; that of images if an image is part of the query."""
        return MIN_SCORES["image" if self.tie_breaker is not None else self.modality]

    def scores(self, cosines: np.ndarray) -> np.ndarray:
        """Return scores, 0..1, for cosines to `primary`."""
        if self.primary is None:
            return np.zeros(len(cosines))
        return calibrated_scores(
            cosines, self.primary, modality=self.modality, model=self.model, sample=self.sample
        )


def encode_query(viewer: Viewer, query: Query) -> EncodedQuery:
    """Embed the parts of a query.

    Without the AI, a query with a text is searched by its words. Raises NotFound if the viewer may
    not see the query's post, and Unavailable if the query is an image alone and no worker answers.
    """
    model = ai.clip_name()
    encoded = EncodedQuery(model, terms=query.terms, sample=get_sample(model))
    image, caption = None, ""
    if query.post_id:
        image, caption = _embedded_image(viewer, query.post_id, model)
    if query.vector is not None:
        image = query.vector
    encoded = replace(encoded, caption=caption)
    try:
        if query.image is not None:
            vector, generated = ai.describe_image(query.image)
            image, caption = np.asarray(vector), generated or ""
        text = compose_text(caption, query.text) if image is not None and query.text else query.text
        primary = np.asarray(ai.embed_text(text)) if text else None
        excluded = tuple(np.asarray(ai.embed_text(part)) for part in query.excluded)
    except Unavailable as error:
        if query.image is not None and not query.text:
            raise
        return _without_ai(encoded, query, image, error)
    encoded = replace(encoded, excluded=excluded, caption=caption)
    if primary is None:
        terms = tuple(parse_terms(caption)) if query.image is not None else ()
        return replace(encoded, primary=image, modality="image", terms=terms)
    terms = tuple(parse_terms(text)) if image is not None else query.terms
    return replace(encoded, primary=primary, tie_breaker=image, terms=terms)


def _without_ai(
    encoded: EncodedQuery, query: Query, image: np.ndarray | None, error: Unavailable
) -> EncodedQuery:
    """Use the vector of the post, which is stored, and the words of the text."""
    if image is not None:
        encoded = replace(encoded, primary=image, modality="image")
    if not (query.text or query.excluded):
        return encoded
    is_redis = isinstance(error.__cause__, RedisError)
    return replace(encoded, ai_available=False, redis_unavailable=is_redis)


def _embedded_image(viewer: Viewer, post_id: UUID, model: str) -> tuple[np.ndarray | None, str]:
    """Return vector and caption of the post's first embedded image; (None, "") without one."""
    post = get_visible_post(viewer, post_id)
    images = PostImage.objects.filter(post=post).searchable(model).order_by("display_order")
    image = images.values_list("embedding", "ai_caption").first()
    if image is None:
        return None, ""
    return np.asarray(image[0], np.float32), image[1] or ""
