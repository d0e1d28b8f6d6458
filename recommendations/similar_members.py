"""Members with similar interests: by the survey, or else by the posts they like."""

from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone
from pgvector.django import CosineDistance

from accounts.models import Survey, User
from ai import services as ai
from ai.calibration import similarity_score
from ai.vector_space import in_one_vector_space
from posts.models import Like
from posts.visibility import visible_posts
from recommendations import interests
from recommendations.models import UserEmbedding

CATEGORIES_WEIGHT, PURPOSES_WEIGHT = 0.6, 0.4
SHARED_LIKES_WINDOW = timedelta(days=90)  # of the likes whose categories are shared interests
MAX_SHARED = 3

# The weighted mean of the Jaccard indexes of both lists, without lists that either left empty.
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


def similar_members(viewer: User, *, limit: int) -> list[dict[str, object]]:
    """Return dictionaries with a score of 0..1, best first.

    Members without a survey are compared by embedding; without any interactions there are none.
    """
    members = _by_survey(viewer, limit)
    if members or Survey.objects.filter(user=viewer).exists():
        return members
    return _by_embedding(viewer, limit)


def _by_survey(viewer: User, limit: int) -> list[dict[str, object]]:
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


@in_one_vector_space
def _by_embedding(viewer: User, limit: int) -> list[dict[str, object]]:
    """Compare the embeddings in the space of the current model."""
    model = ai.clip_name()
    interactions = interests.interactions_of(viewer, model)
    if not interactions:
        return []
    distance = CosineDistance("vector", interests.weighted_mean(interactions).tolist())
    embeddings = UserEmbedding.objects.filter(vector_model=model, user__is_active=True).exclude(
        user=viewer
    )
    nearest = (
        embeddings.annotate(distance=distance).order_by("distance", "pk").select_related("user")
    )
    scored = [
        (each.user, similarity_score(1 - each.distance, "image", model))
        for each in nearest.defer("vector")[:limit]
    ]
    similar = [(user, score) for user, score in scored if score > 0]
    shared = _shared_categories(viewer, [user for user, _ in similar])
    return [
        {
            **{name: getattr(user, name) for name in _CARD},
            "similarity_score": score,
            "shared_interests": shared.get(user.pk, []),
        }
        for user, score in similar
    ]


_CARD = ("id", "first_name", "last_name", "avatar_url", "job")


def _shared_categories(viewer: User, others: list[User]) -> dict[UUID, list[str]]:
    """Return the names of categories in which the viewer and each other recently liked posts."""
    since = timezone.now() - SHARED_LIKES_WINDOW
    likes = Like.objects.filter(visible_posts(viewer, "post__"), created_at__gt=since)
    rows = likes.filter(user__in=[viewer, *others]).exclude(post__category=None)
    liked: dict[UUID, set[str]] = {}
    for user_id, name in rows.values_list("user_id", "post__category__name").distinct():
        liked.setdefault(user_id, set()).add(name)
    mine = liked.get(viewer.pk, set())
    return {user_id: sorted(mine & names)[:MAX_SHARED] for user_id, names in liked.items()}
