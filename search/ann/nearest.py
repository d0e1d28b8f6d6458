"""k-nearest-neighbour search among visible images, one per post, by the index or exactly.

Filters run after the index scan, so the scan is iterative (pgvector >= 0.8): it continues until
enough rows have passed. Where few rows pass the filter, all of them are compared instead, which is
exact and faster than a scan that keeps one row in a thousand. Source: pgvector README, "Filtering"
and "Iterative Index Scans"; limits and measurements: ADR 9.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from pgvector.django import CosineDistance, HalfVectorField

from accounts.viewer import Viewer
from posts.models import EMBEDDING_DIMENSIONS, PostImage, PostImageQuerySet
from posts.visibility import Visibility
from search.ann import index
from search.ann.index import Index

Vectors = Sequence[list[float]]
NO_CONDITION = Q()
EXACT_ROWS = 10_000  # if the planner expects no more rows to pass, they are compared exactly
MAX_EXACT_ROWS = 2 * EXACT_ROWS  # if more pass after all, the index is scanned
MAX_SCAN_FACTOR = 8  # an iterative scan gives up after this many times its first probes
MAX_SCAN_TUPLES = 100_000  # of HNSW
OVERFETCH = 20  # extra rows, because posts have several images and the index is only nearly ordered


class Neighbor(NamedTuple):
    """An image near a vector. distance: cosine distance, 0..2."""

    pk: UUID
    post_id: UUID
    checksum: str
    perceptual_hash: int | None
    distance: float


def nearest_images(
    viewer: Viewer,
    vector: list[float],
    *,
    model: str,
    limit: int,
    where: Q = NO_CONDITION,
    except_post: UUID | None = None,
) -> list[Neighbor]:
    """Return what `nearest_to_each` returns for one vector."""
    (images,) = nearest_to_each(
        viewer, [vector], model=model, limit=limit, where=where, except_post=except_post
    )
    return images


def nearest_to_each(
    viewer: Viewer,
    vectors: Vectors,
    *,
    model: str,
    limit: int,
    where: Q = NO_CONDITION,
    except_post: UUID | None = None,
) -> list[list[Neighbor]]:
    """Return up to `limit` images for each vector, of as many posts, nearest first.

    vectors: 512 floats each, of unit length in the space of `model`. where: a condition on images,
    such as `Q(post__category_id=…)`. A list is shorter only if the viewer can see no more embedded
    posts that meet the condition.
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
            exact = _exact_knn_if_few(images, vectors, limit)
            if exact is not None:
                return exact
        results = ann_search(images, vectors, limit, used.for_selectivity(rows))
        # A short list: the rows that pass are far from the vector, or fewer than estimated.
        return [
            best if len(best) >= limit else exact_knn(images, vector, limit)
            for vector, best in zip(vectors, results, strict=True)
        ]


def estimated_public_rows(images: PostImageQuerySet) -> int:
    """Return the planner's estimate of the public images, from its statistics alone.

    Its estimate for the whole visibility rule is far off where few members write: it takes the ten
    members that it assumes to be deactivated for a large part of all authors.
    """
    return estimated_rows(images.filter(post__visibility=Visibility.PUBLIC))[0]


def estimated_rows(*querysets: QuerySet) -> list[int]:
    """Return the planner's estimate of the rows of each queryset, in one statement."""
    parts = [rows.order_by().values("pk").query.sql_with_params() for rows in querysets]
    arrays = ", ".join(f"ARRAY({sql})" for sql, _ in parts)
    params = [param for _, part in parts for param in part]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT json) SELECT {arrays}", params)
        (plan,) = cursor.fetchone()[0]
    return [part["Plan Rows"] for part in plan["Plan"]["Plans"]]


# --- Exact search -------------------------------------------------------------------------------

# MATERIALIZED keeps the planner from using the vector index.
_EXACT_KNN = """
    WITH candidates AS MATERIALIZED ({candidates}),
    best AS (SELECT DISTINCT ON (post_id) * FROM candidates ORDER BY post_id, distance)
    SELECT *, (SELECT count(*) FROM candidates) FROM best ORDER BY distance LIMIT %s
"""


def exact_knn(images: PostImageQuerySet, vector: list[float], limit: int) -> list[Neighbor]:
    """Compare all rows and return the best image of each of the `limit` nearest posts."""
    return _compare_rows(images, vector, limit)[0]


def _exact_knn_if_few(
    images: PostImageQuerySet, vectors: Vectors, limit: int
) -> list[list[Neighbor]] | None:
    """Return None if there are more than MAX_EXACT_ROWS images."""
    results = []
    for vector in vectors:
        best, compared = _compare_rows(images, vector, limit, max_rows=MAX_EXACT_ROWS + 1)
        if compared > MAX_EXACT_ROWS:
            return None
        results.append(best)
    return results


def _compare_rows(
    images: PostImageQuerySet, vector: list[float], limit: int, *, max_rows: int | None = None
) -> tuple[list[Neighbor], int]:
    """Return the best images and the number of compared rows."""
    candidates = images.nearest(vector).order_by().values(*Neighbor._fields)
    sql, params = candidates[:max_rows].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_EXACT_KNN.format(candidates=sql), [*params, limit])
        rows = cursor.fetchall()
    return [Neighbor(*row[:-1]) for row in rows], rows[0][-1] if rows else 0


# --- Search by the index ------------------------------------------------------------------------

# An index scan for each vector, in one statement that is planned once.
_ANN_SEARCH = """
    SELECT number, near.* FROM unnest(%s::vector[]) WITH ORDINALITY AS asked (vector, number),
    LATERAL ({near}) AS near
"""


def ann_search(
    images: PostImageQuerySet, vectors: Vectors, limit: int, used: Index
) -> list[list[Neighbor]]:
    """Return the best images of up to `limit` posts for each vector. Needs a transaction.

    A list is shorter if the images that pass the filter are further away than a scan may look.
    """
    rows = order_by_index(images, RawSQL("asked.vector", ()), used)
    count = limit + limit // 2 + OVERFETCH
    with index_scan(used) as cursor:
        while True:
            sql, params = rows[:count].query.sql_with_params()
            cursor.execute(_ANN_SEARCH.format(near=sql), [list(map(str, vectors)), *params])
            fetched: list[list[Neighbor]] = [[] for _ in vectors]
            for number, *row in cursor.fetchall():
                fetched[number - 1].append(Neighbor(*row))
            results = [_best_per_post(neighbors) for neighbors in fetched]
            pairs = zip(fetched, results, strict=True)
            if all(len(best) >= limit or len(neighbors) < count for neighbors, best in pairs):
                return [best[:limit] for best in results]
            count *= 4


def _best_per_post(images: list[Neighbor]) -> list[Neighbor]:
    """Sort by distance and keep one image per post.

    An index on halfvec returns them nearly sorted, an iterative scan sorted within each round.
    """
    best: dict[UUID, Neighbor] = {}
    for image in sorted(images, key=lambda image: image.distance):
        best.setdefault(image.post_id, image)
    return list(best.values())


def order_by_index(images: QuerySet, vector: RawSQL | list[float], used: Index) -> QuerySet:
    """Return rows as in Neighbor, ordered by exactly the expression that is indexed."""
    column: Cast | str = "embedding"
    if used.half:
        column = Cast("embedding", HalfVectorField(dimensions=EMBEDDING_DIMENSIONS))
    return (
        images.annotate(distance=CosineDistance("embedding", vector))
        .order_by(CosineDistance(column, vector))
        .values_list(*Neighbor._fields)
    )


@contextmanager
def index_scan(used: Index) -> Iterator[CursorWrapper]:
    """Leave the planner one plan, the index in order. Needs a transaction."""
    names = {
        # The planner ignores the cost of reading and comparing vectors and would rather sort all
        # rows; which way to search was decided before.
        "enable_sort": "off",
        "ivfflat.iterative_scan": "relaxed_order",
        "ivfflat.probes": used.probes,
        "ivfflat.max_probes": MAX_SCAN_FACTOR * used.probes,
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.ef_search": min(index.MAX_EF_SEARCH, used.probes),
        "hnsw.max_scan_tuples": MAX_SCAN_TUPLES,
    }
    calls = ", ".join(["set_config(%s, %s, true)"] * len(names))
    params = [str(value) for pair in names.items() for value in pair]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", params)
        yield cursor
        cursor.execute("SET LOCAL enable_sort TO DEFAULT")  # for the rest of the transaction
