"""The nearest visible images to a vector, one per post, from the ivfflat index or exactly.

Filters run after the index scan, so the scan is iterative (pgvector >= 0.8): it goes on until
enough visible rows were found. Source: pgvector README, "Filtering" and "Iterative Index Scans".
"""

from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from posts.models import PostImage
from search import index

NO_CONDITION = Q()


def nearest_images(
    viewer: Any,
    vector: list[float],
    *,
    model: str,
    limit: int,
    where: Q = NO_CONDITION,
    except_post: Any = None,
) -> list[PostImage]:
    """At most `limit` images of as many posts, nearest first, each with `distance` (0..2).

    vector: 512 floats of unit length in the space of `model`. where: what else the images must
    fulfil, as `Q(post__category_id=…)`. Fewer come back only when the viewer can see no more
    embedded posts that fulfil it.
    """
    images = PostImage.objects.visible_to(viewer).searchable(model).filter(where).nearest(vector)
    if except_post is not None:
        images = images.exclude(post_id=except_post)
    with transaction.atomic():
        _prepare_scan()
        rows = images.values_list("pk", "post_id", "distance")  # type: ignore[misc]
        best = _best_per_post(rows, limit)
    found = PostImage.objects.without_vectors().in_bulk([pk for pk, _ in best])
    for pk, distance in best:
        if pk in found:
            found[pk].distance = distance
    return [found[pk] for pk, _ in best if pk in found]


def _best_per_post(rows: Any, limit: int) -> list[tuple[Any, float]]:
    wanted = 2 * limit
    while True:
        # an iterative ivfflat scan is in order only within each round: sort again
        fetched = sorted(rows[:wanted], key=lambda row: row[2])
        best: dict[Any, tuple[Any, float]] = {}
        for pk, post_id, distance in fetched:
            best.setdefault(post_id, (pk, distance))
        if len(best) >= limit or len(fetched) < wanted:
            return list(best.values())[:limit]
        wanted *= 4


def _prepare_scan() -> None:
    lists = index.current_lists()
    if lists is None:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('ivfflat.iterative_scan', 'relaxed_order', true)")
        # The planner does not count what it costs to fetch vectors that lie out of line, and
        # would sort all of them.
        cursor.execute("SELECT set_config('enable_sort', 'off', true)")
        cursor.execute(
            "SELECT set_config('ivfflat.probes', %s, true)", [str(index.probes_for(lists))]
        )
