"""What and whom a member may like: posts near to those liked, members with like interests."""

from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import connection

from accounts.models import User
from ai import services as ai
from ai.spaces import steady
from posts.models import EMBEDDING_DIMENSIONS, Like, Post, PostImage, SavedPost
from search.services import Match
from search.vectors import nearest_posts
from smimso.errors import NotFound

LATEST = 50  # likes and saves, from which a taste is read
CATEGORIES_WEIGHT, PURPOSES_WEIGHT = 0.6, 0.4


# --- Posts ----------------------------------------------------------------------------------


def recommended_to(user_id: UUID, *, viewer: Any, limit: int) -> list[Match]:
    """`recommended_posts` of a member, as far as the viewer sees them.

    Raises NotFound for an unknown member, and for another than the viewer: what somebody likes is
    nobody else's business, but in the demo (settings.AI_PUBLIC).
    """
    member = User.objects.filter(pk=user_id, is_active=True).first()
    if member is None or (member != viewer and not settings.AI_PUBLIC):
        raise NotFound("User not found")
    found = recommended_posts(member, limit)
    if member == viewer:
        return found
    ids = [match.post.pk for match in found]
    visible = set(Post.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True))
    return [match for match in found if match.post.pk in visible]


@steady
def recommended_posts(user: User, limit: int) -> list[Match]:
    """What is nearest to the mean of what the member lately liked and saved, best first.

    Others' posts alone, and none that was liked or saved already. Empty while nothing was.
    """
    liked = Like.objects.filter(user=user).values_list("post_id", "created_at")
    saved = SavedPost.objects.filter(user=user).values_list("post_id", "created_at")
    known = [post_id for post_id, _ in liked.union(saved).order_by("-created_at")]
    images = PostImage.objects.visible_to(user).searchable(ai.clip_name())
    pictures = images.filter(post__in=known[:LATEST])
    total = np.zeros(EMBEDDING_DIMENSIONS)
    for vector in pictures.values_list("embedding", flat=True):
        total += np.asarray(vector)  # points where the mean does
    if not total.any():
        return []
    own = Post.objects.filter(user=user).values_list("pk", flat=True)
    return nearest_posts(user, total.tolist(), limit=limit, without={*known, *own})


# --- Members --------------------------------------------------------------------------------

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
