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
MOST_EXACT_ROWS = 2 * EXACT_ROWS  # and no more than these where it was wrong
# An iterative scan looks at so many times the lists of its first round, then gives up.
ROUNDS = 8
HNSW_TUPLES = 100_000
SPARE = 20  # rows fetched beside those of a page, for albums and for sorting again


class Near(NamedTuple):
    """An image; checksum and hash tell what repeats it. distance: cosine, 0..2."""

    pk: UUID
    post_id: UUID
    checksum: str
    perceptual_hash: int | None
    distance: float


def nearest_images(viewer: Any, vector: list[float], **more: Any) -> list[Near]:
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
) -> list[list[Near]]:
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
            return [exactly(images, vector, limit) for vector in vectors]
        rows = expected_rows(passing)
        if rows <= EXACT_ROWS:
            few = _exactly_if_few(images, vectors, limit)
            if few is not None:
                return few
        found = from_index(images, vectors, limit, used.under_filter(rows))
        # Too few: what passes the filter lies far from the vector, or is less than was expected.
        return [
            best if len(best) >= limit else exactly(images, vector, limit)
            for vector, best in zip(vectors, found, strict=True)
        ]


def expected_rows(passing: Any) -> int:
    """The planner's estimate of the public ones, from its statistics: it reads no row.

    For the whole rule of visibility it is far off where few members write: it takes the ten
    members that it supposes to be deactivated for a good part of all authors.
    """
    return planned_rows(passing.filter(post__visibility=Visibility.PUBLIC))[0]


def planned_rows(*queries: Any) -> list[int]:
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
_EXACTLY = """
    WITH candidates AS MATERIALIZED ({candidates}),
    best AS (SELECT DISTINCT ON (post_id) * FROM candidates ORDER BY post_id, distance)
    SELECT *, (SELECT count(*) FROM candidates) FROM best ORDER BY distance LIMIT %s
"""


def exactly(images: Any, vector: list[float], limit: int) -> list[Near]:
    """The best image of each of the `limit` nearest posts, from a comparison with every row."""
    return _compare(images, vector, limit)[0]


def _exactly_if_few(images: Any, vectors: Vectors, limit: int) -> list[list[Near]] | None:
    """None when more than MOST_EXACT_ROWS pass the filter."""
    found = []
    for vector in vectors:
        best, compared = _compare(images, vector, limit, most=MOST_EXACT_ROWS + 1)
        if compared > MOST_EXACT_ROWS:
            return None
        found.append(best)
    return found


def _compare(
    images: Any, vector: list[float], limit: int, *, most: int | None = None
) -> tuple[list[Near], int]:
    """The best, and how many rows were compared."""
    distance = CosineDistance("embedding", vector)
    candidates = images.annotate(distance=distance).order_by().values(*Near._fields)
    sql, values = candidates[:most].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_EXACTLY.format(candidates=sql), [*values, limit])
        rows = cursor.fetchall()
    return [Near(*row[:-1]) for row in rows], rows[0][-1] if rows else 0


# --- From the index ---------------------------------------------------------------------------

# A scan of the index for each vector: planned once, sent once.
_FOR_EACH = """
    SELECT number, near.* FROM unnest(%s::vector[]) WITH ORDINALITY AS asked (vector, number),
    LATERAL ({near}) AS near
"""


def from_index(images: Any, vectors: Vectors, limit: int, used: Index) -> list[list[Near]]:
    """For each vector the best images of up to `limit` posts. Only inside a transaction.

    Fewer, when what passes the filter is too far away for as many lists as a scan may look at.
    """
    rows = in_index_order(images, RawSQL("asked.vector", ()), used)
    wanted = limit + limit // 2 + SPARE
    with scanning(used) as cursor:
        while True:
            sql, values = rows[:wanted].query.sql_with_params()
            cursor.execute(_FOR_EACH.format(near=sql), [list(map(str, vectors)), *values])
            fetched: list[list[Near]] = [[] for _ in vectors]
            for number, *row in cursor.fetchall():
                fetched[number - 1].append(Near(*row))
            found = [_one_per_post(some) for some in fetched]
            pairs = zip(fetched, found, strict=True)
            if all(len(best) >= limit or len(some) < wanted for some, best in pairs):
                return [best[:limit] for best in found]
            wanted *= 4


def _one_per_post(images: list[Near]) -> list[Near]:
    """Nearest first: an index on halves has them nearly so, an iterative scan round by round."""
    best: dict[UUID, Near] = {}
    for near in sorted(images, key=lambda near: near.distance):
        best.setdefault(near.post_id, near)
    return list(best.values())


def in_index_order(images: Any, vector: Any, used: Index) -> Any:
    """Rows as in Near, ordered by exactly the expression that the index is on."""
    column: Any = "embedding"
    if used.half:
        column = Cast("embedding", HalfVectorField(dimensions=EMBEDDING_DIMENSIONS))
    return (
        images.annotate(distance=CosineDistance("embedding", vector))
        .order_by(CosineDistance(column, vector))
        .values_list(*Near._fields)
    )


@contextmanager
def scanning(used: Index) -> Iterator[CursorWrapper]:
    """Inside a transaction: the planner has one plan left, the index in order."""
    names = {
        # It does not count what it costs to read and compare vectors, and would rather sort all
        # of them; the route is decided here.
        "enable_sort": "off",
        "ivfflat.iterative_scan": "relaxed_order",
        "ivfflat.probes": used.probes,
        "ivfflat.max_probes": ROUNDS * used.probes,
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.ef_search": min(index.MOST_EF_SEARCH, used.probes),
        "hnsw.max_scan_tuples": HNSW_TUPLES,
    }
    calls = ", ".join(["set_config(%s, %s, true)"] * len(names))
    values = [str(value) for pair in names.items() for value in pair]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", values)
        yield cursor
        cursor.execute("SET LOCAL enable_sort TO DEFAULT")  # for what follows in the transaction
