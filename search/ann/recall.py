"""How much of what an exact search finds the index finds; searches look at more when it is little.

Both are asked for the best posts that everyone may see. Texts are what was really searched for
lately: their vectors alone are kept in Redis, without words or names.
"""

import array
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from redis import RedisError

from ai import services as ai
from ai import vector_space
from ai.vector_space import in_one_vector_space
from posts.models import PostImage
from search.ann import index, nearest
from search.models import QueryKind, RecallMeasurement, SearchEffort
from smimso.errors import Unavailable
from smimso.redis import redis_client

logger = logging.getLogger(__name__)

K = 20  # recall@20
SAMPLE_SIZE = 30  # queries of each kind; an exact search of a million takes a second or two
MAX_STORED = 200  # vectors of the latest text queries
MIN_QUERIES = 10  # with fewer of them, captions stand in
FACTOR_STEP, MAX_PROBE_FACTOR = 1.5, 12.0
_RECENT = "smimso:search:texts:{}"


class SampleQuery(NamedTuple):
    """except_post: where the vector is from; that post would be found too easily."""

    vector: list[float]
    except_post: UUID | None = None


class QuerySample:
    """Queries of one kind with the posts that an exact search finds."""

    def __init__(self, kind: QueryKind, queries: Sequence[SampleQuery], note: str = "") -> None:
        self.kind, self.queries, self.note = kind, queries, note
        self._exact = [_post_ids(nearest.exact_knn(_images(q), q.vector, K)) for q in queries]

    def recall(self) -> float | None:
        """0..1 with the index as it is now; None without queries or without an index."""
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
    """Keeps a text query's vector for the next measurement. Never fails a search."""
    key = _RECENT.format(model)
    try:
        with redis_client().pipeline(transaction=False) as pipeline:
            pipeline.lpush(key, array.array("f", vector).tobytes())
            pipeline.ltrim(key, 0, MAX_STORED - 1)
            pipeline.execute()
    except RedisError as error:
        logger.warning("A query was not kept for measuring recall: %s", error)


def measure() -> list[RecallMeasurement]:
    """Measures, lets the effort of searches follow, and stores the figures of each kind.

    Nothing without an index: an exact search finds everything.
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


def is_below_target(measured: list[RecallMeasurement]) -> bool:
    """Whether the index finds too little even at the greatest effort, and should be built anew."""
    least = settings.SEARCH_LEAST_RECALL
    return any(each.recall is not None and each.recall < least for each in measured)


# --- The effort follows -----------------------------------------------------------------------


def _adjust_probe_factor(samples: list[QuerySample]) -> list[float | None]:
    """Raises the effort until the recall is high enough; lowers it by one step where it is far
    above, unless that is too low. Returns the recalls at the effort that remains.
    """
    least = settings.SEARCH_LEAST_RECALL
    recalls = [sample.recall() for sample in samples]
    while _min_recall(recalls) < least and _scale_probe_factor(FACTOR_STEP):
        recalls = [sample.recall() for sample in samples]
    if _min_recall(recalls) >= (1 + least) / 2 and _scale_probe_factor(1 / FACTOR_STEP):
        lower = [sample.recall() for sample in samples]
        if _min_recall(lower) >= least:
            return lower
        _scale_probe_factor(FACTOR_STEP)
    return recalls


def _min_recall(recalls: list[float | None]) -> float:
    return min((recall for recall in recalls if recall is not None), default=1.0)


def _scale_probe_factor(factor: float) -> bool:
    """Whether it could be changed: 1 is the least, and no more is looked at than there is.

    Not by what was measured across a change of the model.
    """
    vector_space.ensure_unchanged()
    used = index.current()
    if used is None:
        return False
    effort = min(MAX_PROBE_FACTOR, max(1.0, used.effort * factor))
    if used._replace(effort=effort).probes == used.probes:
        return False
    SearchEffort.objects.update_or_create(index_kind=used.kind, defaults={"effort": effort})
    logger.info("Searches with %s: effort %.2f", used.kind, effort)
    return True


# --- Samples ----------------------------------------------------------------------------------


def _images(query: SampleQuery | None = None) -> Any:
    images = PostImage.objects.visible_to(AnonymousUser()).searchable(ai.clip_name())
    if query is not None and query.except_post is not None:
        images = images.exclude(post_id=query.except_post)
    return images


def _post_ids(found: list[nearest.Neighbor]) -> set[UUID]:
    return {near.post_id for near in found}


def _random_images(images: Any) -> list[Any]:
    """Neighbours by id, which is random: as good as any sample, and read from an index."""
    start = uuid4()
    some = list(images.filter(pk__gte=start).order_by("pk")[:SAMPLE_SIZE])
    return some or list(images.order_by("pk")[:SAMPLE_SIZE])


def _image_sample() -> QuerySample:
    rows = _random_images(_images().values_list("embedding", "post_id"))
    return QuerySample(QueryKind.IMAGE, [SampleQuery(vector, post) for vector, post in rows])


def _text_sample() -> QuerySample:
    """Recent queries, or captions of images when there are too few."""
    try:
        recent = redis_client().lrange(_RECENT.format(ai.clip_name()), 0, SAMPLE_SIZE - 1)
        if len(recent) >= MIN_QUERIES:
            queries = [SampleQuery(array.array("f", stored).tolist()) for stored in recent]
            return QuerySample(QueryKind.TEXT, queries, "Recent queries")
        captions = _random_images(_images().exclude(ai_caption=None).exclude(ai_caption=""))
        texts = {image.ai_caption for image in captions}
        queries = [SampleQuery(ai.embed_text(text)) for text in sorted(texts)]
    except (Unavailable, RedisError) as error:
        return QuerySample(QueryKind.TEXT, [], f"Not measured: {error}")
    return QuerySample(QueryKind.TEXT, queries, "Captions of images")
