"""The nearest visible images to a vector, one per post, from the vector index or exactly.

Filters run after the index scan, so the scan is iterative (pgvector >= 0.8): it goes on until
enough rows passed. Where few rows pass, all of them are compared instead: that is exact, and
sooner than a scan that finds one in a thousand. Source: pgvector README, "Filtering" and
"Iterative Index Scans"; limits and measurements: ADR 9.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from pgvector.django import CosineDistance, HalfVectorField

from posts.models import EMBEDDING_DIMENSIONS, PostImage
from posts.visibility import Visibility
from search.ann import index
from search.ann.index import Index

Vectors = Sequence[list[float]]
NO_CONDITION = Q()
EXACT_ROWS = 10_000  # compared one by one where the planner expects no more to pass
MAX_EXACT_ROWS = 2 * EXACT_ROWS  # and no more than these where it was wrong
# An iterative scan looks at so many times the lists of its first round, then gives up.
MAX_SCAN_FACTOR = 8
MAX_SCAN_TUPLES = 100_000
OVERFETCH = 20  # rows fetched beside those of a page, for albums and for sorting again


class Neighbor(NamedTuple):
    """An image; checksum and hash tell what repeats it. distance: cosine, 0..2."""

    pk: UUID
    post_id: UUID
    checksum: str
    perceptual_hash: int | None
    distance: float


def nearest_images(viewer: Any, vector: list[float], **more: Any) -> list[Neighbor]:
    """As `nearest_to_each`, of one vector."""
    return nearest_to_each(viewer, [vector], **more)[0]


def nearest_to_each(
    viewer: Any,
    vectors: Vectors,
    *,
    model: str,
    limit: int,
    where: Q = NO_CONDITION,
    except_post: Any = None,
) -> list[list[Neighbor]]:
    """For each vector at most `limit` images of as many posts, nearest first.

    vectors: 512 floats each, of unit length in the space of `model`. where: what else the images
    must fulfil, as `Q(post__category_id=…)`. Fewer come back only when the viewer can see no more
    embedded posts that fulfil it.
    """
    passing = PostImage.objects.searchable(model).filter(where)
    images = passing.visible_to(viewer)
    if except_post is not None:
        images = images.exclude(post_id=except_post)
    with transaction.atomic():
        used = index.current()
        if used is None:
            return [exact_knn(images, vector, limit) for vector in vectors]
        rows = estimated_public_rows(passing)
        if rows <= EXACT_ROWS:
            few = _exact_knn_if_few(images, vectors, limit)
            if few is not None:
                return few
        found = ann_search(images, vectors, limit, used.under_filter(rows))
        # Too few: what passes the filter lies far from the vector, or is less than was expected.
        return [
            best if len(best) >= limit else exact_knn(images, vector, limit)
            for vector, best in zip(vectors, found, strict=True)
        ]


def estimated_public_rows(passing: Any) -> int:
    """The planner's estimate of the public ones, from its statistics: it reads no row.

    For the whole rule of visibility it is far off where few members write: it takes the ten
    members that it supposes to be deactivated for a good part of all authors.
    """
    return estimated_rows(passing.filter(post__visibility=Visibility.PUBLIC))[0]


def estimated_rows(*queries: Any) -> list[int]:
    """How many rows the planner expects each of these queries to find, all asked at once."""
    parts = [rows.order_by().values("pk").query.sql_with_params() for rows in queries]
    asked = ", ".join(f"ARRAY({sql})" for sql, _ in parts)
    values = [value for _, part in parts for value in part]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT json) SELECT {asked}", values)
        (plan,) = cursor.fetchone()[0]
    return [part["Plan Rows"] for part in plan["Plan"]["Plans"]]


# --- Exactly ----------------------------------------------------------------------------------

# MATERIALIZED: the planner would otherwise take the vector index after all.
_EXACT_KNN = """
    WITH candidates AS MATERIALIZED ({candidates}),
    best AS (SELECT DISTINCT ON (post_id) * FROM candidates ORDER BY post_id, distance)
    SELECT *, (SELECT count(*) FROM candidates) FROM best ORDER BY distance LIMIT %s
"""


def exact_knn(images: Any, vector: list[float], limit: int) -> list[Neighbor]:
    """The best image of each of the `limit` nearest posts, from a comparison with every row."""
    return _compare(images, vector, limit)[0]


def _exact_knn_if_few(images: Any, vectors: Vectors, limit: int) -> list[list[Neighbor]] | None:
    """None when more than MOST_EXACT_ROWS pass the filter."""
    found = []
    for vector in vectors:
        best, compared = _compare(images, vector, limit, most=MAX_EXACT_ROWS + 1)
        if compared > MAX_EXACT_ROWS:
            return None
        found.append(best)
    return found


def _compare(
    images: Any, vector: list[float], limit: int, *, most: int | None = None
) -> tuple[list[Neighbor], int]:
    """The best, and how many rows were compared."""
    distance = CosineDistance("embedding", vector)
    candidates = images.annotate(distance=distance).order_by().values(*Neighbor._fields)
    sql, values = candidates[:most].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_EXACT_KNN.format(candidates=sql), [*values, limit])
        rows = cursor.fetchall()
    return [Neighbor(*row[:-1]) for row in rows], rows[0][-1] if rows else 0


# --- From the index ---------------------------------------------------------------------------

# A scan of the index for each vector: planned once, sent once.
_ANN_SEARCH = """
    SELECT number, near.* FROM unnest(%s::vector[]) WITH ORDINALITY AS asked (vector, number),
    LATERAL ({near}) AS near
"""


def ann_search(images: Any, vectors: Vectors, limit: int, used: Index) -> list[list[Neighbor]]:
    """For each vector the best images of up to `limit` posts. Only inside a transaction.

    Fewer, when what passes the filter is too far away for as many lists as a scan may look at.
    """
    rows = order_by_index(images, RawSQL("asked.vector", ()), used)
    wanted = limit + limit // 2 + OVERFETCH
    with index_scan(used) as cursor:
        while True:
            sql, values = rows[:wanted].query.sql_with_params()
            cursor.execute(_ANN_SEARCH.format(near=sql), [list(map(str, vectors)), *values])
            fetched: list[list[Neighbor]] = [[] for _ in vectors]
            for number, *row in cursor.fetchall():
                fetched[number - 1].append(Neighbor(*row))
            found = [_best_per_post(some) for some in fetched]
            pairs = zip(fetched, found, strict=True)
            if all(len(best) >= limit or len(some) < wanted for some, best in pairs):
                return [best[:limit] for best in found]
            wanted *= 4


def _best_per_post(images: list[Neighbor]) -> list[Neighbor]:
    """Nearest first: an index on halves has them nearly so, an iterative scan round by round."""
    best: dict[UUID, Neighbor] = {}
    for near in sorted(images, key=lambda near: near.distance):
        best.setdefault(near.post_id, near)
    return list(best.values())


def order_by_index(images: Any, vector: Any, used: Index) -> Any:
    """Rows as in Near, ordered by exactly the expression that the index is on."""
    column: Any = "embedding"
    if used.half:
        column = Cast("embedding", HalfVectorField(dimensions=EMBEDDING_DIMENSIONS))
    return (
        images.annotate(distance=CosineDistance("embedding", vector))
        .order_by(CosineDistance(column, vector))
        .values_list(*Neighbor._fields)
    )


@contextmanager
def index_scan(used: Index) -> Iterator[CursorWrapper]:
    """Inside a transaction: the planner has one plan left, the index in order."""
    names = {
        # It does not count what it costs to read and compare vectors, and would rather sort all
        # of them; the route is decided here.
        "enable_sort": "off",
        "ivfflat.iterative_scan": "relaxed_order",
        "ivfflat.probes": used.probes,
        "ivfflat.max_probes": MAX_SCAN_FACTOR * used.probes,
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.ef_search": min(index.MAX_EF_SEARCH, used.probes),
        "hnsw.max_scan_tuples": MAX_SCAN_TUPLES,
    }
    calls = ", ".join(["set_config(%s, %s, true)"] * len(names))
    values = [str(value) for pair in names.items() for value in pair]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", values)
        yield cursor
        cursor.execute("SET LOCAL enable_sort TO DEFAULT")  # for what follows in the transaction
