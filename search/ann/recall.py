"""Recall of the vector index against an exact search; if it is low, searches probe more.

Both searches look for the best posts that everyone may see. Text queries are recent real ones: only
their vectors are stored, in Redis, without words or names.
"""

import array
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import QuerySet
from redis import RedisError

from ai import services as ai
from ai import vector_space
from ai.vector_space import in_one_vector_space
from posts.models import PostImage, PostImageQuerySet
from search.ann import index, nearest
from search.models import ProbeFactor, QueryKind, RecallMeasurement
from smimso.errors import Unavailable
from smimso.redis import redis_client

logger = logging.getLogger(__name__)

K = 20  # recall@20
SAMPLE_SIZE = 30  # queries of each kind; an exact search among a million takes a second or two
MAX_STORED = 200  # vectors of the latest text queries
MIN_QUERIES = 10  # with fewer recent queries, captions of images are used
FACTOR_STEP, MAX_PROBE_FACTOR = 1.5, 12.0
_RECENT = "smimso:search:texts:{}"


class SampleQuery(NamedTuple):
    """except_post: the post that the vector is from, which would be found too easily."""

    vector: list[float]
    except_post: UUID | None = None


class QuerySample:
    """Queries of one kind, with the posts that an exact search finds."""

    def __init__(self, kind: QueryKind, queries: Sequence[SampleQuery], note: str = "") -> None:
        self.kind, self.queries, self.note = kind, queries, note
        self._exact = [_post_ids(nearest.exact_knn(_images(q), q.vector, K)) for q in queries]

    def recall(self) -> float | None:
        """Return 0..1 for the present index; None without queries or without an index."""
        used = index.current()
        if used is None:
            return None
        shares = []
        for query, exact in zip(self.queries, self._exact, strict=True):
            with transaction.atomic():
                (found,) = nearest.ann_search(_images(query), [query.vector], K, used)
            if exact:
                shares.append(len(exact & _post_ids(found)) / len(exact))
        return sum(shares) / len(shares) if shares else None


def record_text_query(vector: list[float], model: str) -> None:
    """Store a text query's vector for the next measurement. Never fails a search."""
    key = _RECENT.format(model)
    try:
        with redis_client().pipeline(transaction=False) as pipeline:
            pipeline.lpush(key, array.array("f", vector).tobytes())
            pipeline.ltrim(key, 0, MAX_STORED - 1)
            pipeline.execute()
    except RedisError as error:
        logger.warning("Could not store a query for measuring recall: %s", error)


def measure() -> list[RecallMeasurement]:
    """Measure recall, adapt the probe factor to it, and store the figures of each query kind.

    Without an index nothing is measured: an exact search finds everything.
    """
    return RecallMeasurement.objects.bulk_create(_measure())


@in_one_vector_space
def _measure() -> list[RecallMeasurement]:
    if index.current() is None:
        return []
    samples = [_image_sample(), _text_sample()]
    recalls = _adjust_probe_factor(samples)
    used = index.current()
    if used is None:
        return []
    rows = index.count_vectors()
    return [
        RecallMeasurement(
            query_kind=sample.kind,
            queries=len(sample.queries),
            recall=recall,
            rows=rows,
            index_kind=used.kind,
            lists=used.lists,
            probes=used.probes,
            note=sample.note,
        )
        for sample, recall in zip(samples, recalls, strict=True)
    ]


def is_below_target(measurements: list[RecallMeasurement]) -> bool:
    """Return whether recall is low even with the largest probe factor, so that a rebuild is due."""
    target = settings.SEARCH_LEAST_RECALL
    return any(each.recall is not None and each.recall < target for each in measurements)


# --- Probe factor -------------------------------------------------------------------------------


def _adjust_probe_factor(samples: list[QuerySample]) -> list[float | None]:
    """Raise the factor until recall reaches the target; return the recalls that result.

    If recall is far above the target, lower the factor by one step, unless that is too low.
    """
    target = settings.SEARCH_LEAST_RECALL
    recalls = [sample.recall() for sample in samples]
    while _min_recall(recalls) < target and _scale_probe_factor(FACTOR_STEP):
        recalls = [sample.recall() for sample in samples]
    if _min_recall(recalls) >= (1 + target) / 2 and _scale_probe_factor(1 / FACTOR_STEP):
        lower = [sample.recall() for sample in samples]
        if _min_recall(lower) >= target:
            return lower
        _scale_probe_factor(FACTOR_STEP)
    return recalls


def _min_recall(recalls: list[float | None]) -> float:
    return min((recall for recall in recalls if recall is not None), default=1.0)


def _scale_probe_factor(factor: float) -> bool:
    """Store the scaled factor, within 1 and MAX_PROBE_FACTOR; return whether it changes anything.

    Raises Unavailable if the model was changed since the measurement began.
    """
    vector_space.ensure_unchanged()
    used = index.current()
    if used is None:
        return False
    scaled = min(MAX_PROBE_FACTOR, max(1.0, used.probe_factor * factor))
    if used._replace(probe_factor=scaled).probes == used.probes:
        return False
    ProbeFactor.objects.update_or_create(index_kind=used.kind, defaults={"factor": scaled})
    logger.info("Probe factor of %s: %.2f", used.kind, scaled)
    return True


# --- Samples ------------------------------------------------------------------------------------


def _images(query: SampleQuery | None = None) -> PostImageQuerySet:
    images = PostImage.objects.visible_to(AnonymousUser()).searchable(ai.clip_name())
    if query is not None and query.except_post is not None:
        images = images.exclude(post_id=query.except_post)
    return images


def _post_ids(neighbors: list[nearest.Neighbor]) -> set[UUID]:
    return {neighbor.post_id for neighbor in neighbors}


def _random_rows(images: QuerySet) -> list[Any]:
    """Return rows with neighbouring ids. Ids are random, and are read from an index."""
    start = uuid4()
    rows = list(images.filter(pk__gte=start).order_by("pk")[:SAMPLE_SIZE])
    return rows or list(images.order_by("pk")[:SAMPLE_SIZE])


def _image_sample() -> QuerySample:
    rows = _random_rows(_images().values_list("embedding", "post_id"))
    return QuerySample(QueryKind.IMAGE, [SampleQuery(vector, post) for vector, post in rows])


def _text_sample() -> QuerySample:
    """Sample recent queries, or captions of images if there are too few."""
    try:
        recent = redis_client().lrange(_RECENT.format(ai.clip_name()), 0, SAMPLE_SIZE - 1)
        if len(recent) >= MIN_QUERIES:
            queries = [SampleQuery(array.array("f", stored).tolist()) for stored in recent]
            return QuerySample(QueryKind.TEXT, queries, "Recent queries")
        captions = _random_rows(_images().exclude(ai_caption=None).exclude(ai_caption=""))
        texts = {image.ai_caption for image in captions}
        queries = [SampleQuery(ai.embed_text(text)) for text in sorted(texts)]
    except (Unavailable, RedisError) as error:
        return QuerySample(QueryKind.TEXT, [], f"Not measured: {error}")
    return QuerySample(QueryKind.TEXT, queries, "Captions of images")
