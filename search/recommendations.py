"""Members with like interests, by what they said in the survey."""

from typing import Any

from django.db import connection

from accounts.models import User

CATEGORIES_WEIGHT, PURPOSES_WEIGHT = 0.6, 0.4

# Jaccard index of each list; what either has left open weighs nothing, and the rest all the more.
_QUERY = """
    WITH mine AS (
        SELECT coalesce(favorite_categories, '{}') AS categories,
            coalesce(usage_purposes, '{}') AS purposes
        FROM surveys WHERE user_id = %(viewer)s
    ), compared AS (
        SELECT surveys.user_id, shared.categories,
            CASE WHEN cardinality(mine.categories) > 0 AND cardinality(favorite_categories) > 0
                THEN %(categories)s ELSE 0 END AS categories_weight,
            CASE WHEN cardinality(mine.purposes) > 0 AND cardinality(usage_purposes) > 0
                THEN %(purposes)s ELSE 0 END AS purposes_weight,
            cardinality(shared.categories)::float / greatest(1, (
                SELECT count(*) FROM (
                    SELECT unnest(mine.categories) UNION SELECT unnest(favorite_categories)
                ) AS either)) AS categories_likeness,
            shared.purposes::float / greatest(1, (
                SELECT count(*) FROM (
                    SELECT unnest(mine.purposes) UNION SELECT unnest(usage_purposes)
                ) AS either)) AS purposes_likeness
        FROM surveys, mine, LATERAL (
            SELECT
                ARRAY(SELECT unnest(mine.categories) INTERSECT SELECT unnest(favorite_categories))
                    AS categories,
                (SELECT count(*) FROM (
                    SELECT unnest(mine.purposes) INTERSECT SELECT unnest(usage_purposes)
                ) AS both_lists) AS purposes
        ) AS shared
        WHERE surveys.user_id <> %(viewer)s
    ), scored AS (
        SELECT user_id, categories, (
            categories_weight * categories_likeness + purposes_weight * purposes_likeness
        ) / nullif(categories_weight + purposes_weight, 0) AS score
        FROM compared
    )
    SELECT users.id, first_name, last_name, avatar_url, job, score AS similarity_score,
        ARRAY(
            SELECT name::text FROM categories WHERE categories.id::text = ANY (scored.categories)
            ORDER BY name
        ) AS shared_interests
    FROM scored JOIN users ON users.id = scored.user_id
    WHERE users.is_active AND score > 0
    ORDER BY score DESC, users.id LIMIT %(limit)s
"""


def similar_members(viewer: User, *, limit: int) -> list[dict[str, Any]]:
    """Best first, with a score of 0..1; none for a viewer who has not answered the survey."""
    values: dict[str, str | float] = {
        "viewer": str(viewer.pk),
        "limit": limit,
        "categories": CATEGORIES_WEIGHT,
        "purposes": PURPOSES_WEIGHT,
    }
    with connection.cursor() as cursor:
        cursor.execute(_QUERY, values)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
