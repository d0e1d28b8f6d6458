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

BEST = 20  # recall@20
SAMPLE = 30  # queries of each kind; an exact search of a million takes a second or two
KEPT = 200  # vectors of the latest text queries
FEW = 10  # with fewer of them, captions stand in
STEP, MOST_EFFORT = 1.5, 12.0
_RECENT = "smimso:search:texts:{}"


class Query(NamedTuple):
    """except_post: where the vector is from; that post would be found too easily."""

    vector: list[float]
    except_post: UUID | None = None


class Sample:
    """Queries of one kind with the posts that an exact search finds."""

    def __init__(self, kind: QueryKind, queries: Sequence[Query], note: str = "") -> None:
        self.kind, self.queries, self.note = kind, queries, note
        self._exact = [_posts(nearest.exactly(_images(q), q.vector, BEST)) for q in queries]

    def recall(self) -> float | None:
        """0..1 with the index as it is now; None without queries or without an index."""
        used = index.current()
        if used is None:
            return None
        shares = []
        for query, exact in zip(self.queries, self._exact, strict=True):
            with transaction.atomic():
                (found,) = nearest.from_index(_images(query), [query.vector], BEST, used)
            if exact:
                shares.append(len(exact & _posts(found)) / len(exact))
        return sum(shares) / len(shares) if shares else None


def remember_text(vector: list[float], model: str) -> None:
    """Keeps a text query's vector for the next measurement. Never fails a search."""
    key = _RECENT.format(model)
    try:
        with redis_client().pipeline(transaction=False) as pipeline:
            pipeline.lpush(key, array.array("f", vector).tobytes())
            pipeline.ltrim(key, 0, KEPT - 1)
            pipeline.execute()
    except RedisError as error:
        logger.warning("A query was not kept for measuring recall: %s", error)


def measure() -> list[RecallMeasurement]:
    """Measures, lets the effort of searches follow, and stores the figures of each kind.

    Nothing without an index: an exact search finds everything.
    """
    return RecallMeasurement.objects.bulk_create(_measured())


@in_one_vector_space
def _measured() -> list[RecallMeasurement]:
    if index.current() is None:
        return []
    samples = [_image_sample(), _text_sample()]
    recalls = _adjust(samples)
    used = index.current()
    if used is None:
        return []
    rows = index.embedded_rows()
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


def is_short(measured: list[RecallMeasurement]) -> bool:
    """Whether the index finds too little even at the greatest effort, and should be built anew."""
    least = settings.SEARCH_LEAST_RECALL
    return any(each.recall is not None and each.recall < least for each in measured)


# --- The effort follows -----------------------------------------------------------------------


def _adjust(samples: list[Sample]) -> list[float | None]:
    """Raises the effort until the recall is high enough; lowers it by one step where it is far
    above, unless that is too low. Returns the recalls at the effort that remains.
    """
    least = settings.SEARCH_LEAST_RECALL
    recalls = [sample.recall() for sample in samples]
    while _worst(recalls) < least and _change_effort(STEP):
        recalls = [sample.recall() for sample in samples]
    if _worst(recalls) >= (1 + least) / 2 and _change_effort(1 / STEP):
        lower = [sample.recall() for sample in samples]
        if _worst(lower) >= least:
            return lower
        _change_effort(STEP)
    return recalls


def _worst(recalls: list[float | None]) -> float:
    return min((recall for recall in recalls if recall is not None), default=1.0)


def _change_effort(factor: float) -> bool:
    """Whether it could be changed: 1 is the least, and no more is looked at than there is.

    Not by what was measured across a change of the model.
    """
    vector_space.ensure_unchanged()
    used = index.current()
    if used is None:
        return False
    effort = min(MOST_EFFORT, max(1.0, used.effort * factor))
    if used._replace(effort=effort).probes == used.probes:
        return False
    SearchEffort.objects.update_or_create(index_kind=used.kind, defaults={"effort": effort})
    logger.info("Searches with %s: effort %.2f", used.kind, effort)
    return True


# --- Samples ----------------------------------------------------------------------------------


def _images(query: Query | None = None) -> Any:
    images = PostImage.objects.visible_to(AnonymousUser()).searchable(ai.clip_name())
    if query is not None and query.except_post is not None:
        images = images.exclude(post_id=query.except_post)
    return images


def _posts(found: list[nearest.Near]) -> set[UUID]:
    return {near.post_id for near in found}


def _random(images: Any) -> list[Any]:
    """Neighbours by id, which is random: as good as any sample, and read from an index."""
    start = uuid4()
    some = list(images.filter(pk__gte=start).order_by("pk")[:SAMPLE])
    return some or list(images.order_by("pk")[:SAMPLE])


def _image_sample() -> Sample:
    rows = _random(_images().values_list("embedding", "post_id"))
    return Sample(QueryKind.IMAGE, [Query(vector, post) for vector, post in rows])


def _text_sample() -> Sample:
    """Recent queries, or captions of images when there are too few."""
    try:
        recent = redis_client().lrange(_RECENT.format(ai.clip_name()), 0, SAMPLE - 1)
        if len(recent) >= FEW:
            queries = [Query(array.array("f", stored).tolist()) for stored in recent]
            return Sample(QueryKind.TEXT, queries, "Recent queries")
        captions = _random(_images().exclude(ai_caption=None).exclude(ai_caption=""))
        texts = {image.ai_caption for image in captions}
        queries = [Query(ai.embed_text(text)) for text in sorted(texts)]
    except (Unavailable, RedisError) as error:
        return Sample(QueryKind.TEXT, [], f"Not measured: {error}")
    return Sample(QueryKind.TEXT, queries, "Captions of images")
