"""Who is liked, seen and busy most: public posts only, all active members, one query each."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils import timezone

from accounts.models import User
from posts.visibility import Visibility

MAX_ENTRIES = 100
RECENT_PERIOD = timedelta(days=28)
CACHE_SECONDS = 60  # that a board is kept
_CARD_FIELDS = ("id", "first_name", "last_name", "avatar_url", "bio", "job")

Row = dict[str, Any]


def top_creators() -> list[Row]:
    return _get_cached("top-creators", lambda: _rank_by_sums(totalLikes=Sum("posts__like_count")))


def most_favorite() -> list[Row]:
    sums = {
        "totalLikes": Sum("posts__like_count"),
        "totalViews": Sum("posts__view_count"),
        "totalPosts": Count("posts"),
    }
    return _get_cached("most-favorite", lambda: _rank_by_sums(**sums))


def most_viewed() -> list[Row]:
    """By the views of posts of the last 28 days."""
    recent = Q(posts__created_at__gte=timezone.now() - RECENT_PERIOD)
    views = Sum("posts__view_count", filter=recent)
    return _get_cached("most-viewed", lambda: _rank_by_sums(totalViews=views))


def most_active() -> list[Row]:
    return _get_cached("most-active", lambda: _rank_by_activity(timezone.now() - RECENT_PERIOD))


def clear_cache() -> None:
    """So that who is gone is not listed for another minute."""
    names = ("top-creators", "most-favorite", "most-viewed", "most-active")
    cache.delete_many([_cache_key(name) for name in names])


def _rank_by_sums(**sums: Any) -> list[Row]:
    """By the first of `sums`, without who has none of it."""
    first = next(iter(sums))
    authors = User.objects.active().filter(posts__visibility=Visibility.PUBLIC)
    scored = authors.annotate(**sums).filter(**{f"{first}__gt": 0})
    return list(scored.order_by(f"-{first}", "pk").values(*_CARD_FIELDS, *sums)[:MAX_ENTRIES])


def _rank_by_activity(since: datetime) -> list[Row]:
    """Posts and comments are grouped apart: joined, each would multiply the other."""
    query = """
        WITH written AS (
            SELECT user_id, count(*) AS posts, count(*) FILTER (WHERE created_at >= %s) AS recent
            FROM posts WHERE visibility = 'public' GROUP BY user_id
        ), said AS (
            SELECT comments.user_id, count(*) AS comments FROM comments
            JOIN posts ON posts.id = comments.post_id AND posts.visibility = 'public'
            GROUP BY comments.user_id
        ), counted AS (
            SELECT user_id, coalesce(posts, 0) AS "totalPosts",
                coalesce(comments, 0) AS "totalComments", coalesce(recent, 0) AS "recentPosts"
            FROM written FULL JOIN said USING (user_id)
        )
        SELECT id, first_name, last_name, avatar_url, bio, job,
            "totalPosts", "totalComments", "recentPosts",
            2 * "totalPosts" + "totalComments" + 3 * "recentPosts" AS "activityScore"
        FROM counted JOIN users ON users.id = user_id
        WHERE users.is_active
        ORDER BY "activityScore" DESC, id LIMIT %s
    """
    with connection.cursor() as cursor:
        cursor.execute(query, [since, MAX_ENTRIES])
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _get_cached(name: str, query: Callable[[], list[Row]]) -> list[Row]:
    return cache.get_or_set(_cache_key(name), query, CACHE_SECONDS) or []


def _cache_key(name: str) -> str:
    return f"leaderboard:{name}"
