"""Leaderboards of active members: by likes, views and activity on public posts."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import connection
from django.db.models import Aggregate, Count, Q, Sum
from django.utils import timezone

from accounts.models import User
from posts.visibility import Visibility

MAX_ENTRIES = 100
RECENT_PERIOD = timedelta(days=28)
CACHE_SECONDS = 60
_CARD_FIELDS = ("id", "first_name", "last_name", "avatar_url", "bio", "job")

Entry = dict[str, object]


def top_creators() -> list[Entry]:
    return _get_cached("top-creators", lambda: _rank_by_sums(totalLikes=Sum("posts__like_count")))


def most_favorite() -> list[Entry]:
    sums = {
        "totalLikes": Sum("posts__like_count"),
        "totalViews": Sum("posts__view_count"),
        "totalPosts": Count("posts"),
    }
    return _get_cached("most-favorite", lambda: _rank_by_sums(**sums))


def most_viewed() -> list[Entry]:
    """Rank members by the views of their posts of the last 28 days."""
    recent = Q(posts__created_at__gte=timezone.now() - RECENT_PERIOD)
    views = Sum("posts__view_count", filter=recent)
    return _get_cached("most-viewed", lambda: _rank_by_sums(totalViews=views))


def most_active() -> list[Entry]:
    return _get_cached("most-active", lambda: _rank_by_activity(timezone.now() - RECENT_PERIOD))


def clear_cache() -> None:
    """Forget the cached leaderboards, so that a deleted member is not listed any longer."""
    names = ("top-creators", "most-favorite", "most-viewed", "most-active")
    cache.delete_many([_cache_key(name) for name in names])


def _rank_by_sums(**sums: Aggregate) -> list[Entry]:
    """Rank members by the first of `sums`, without those for whom it is 0."""
    first = next(iter(sums))
    authors = User.objects.active().filter(posts__visibility=Visibility.PUBLIC)
    scored = authors.annotate(**sums).filter(**{f"{first}__gt": 0})
    return list(scored.order_by(f"-{first}", "pk").values(*_CARD_FIELDS, *sums)[:MAX_ENTRIES])


def _rank_by_activity(since: datetime) -> list[Entry]:
    """Rank members by 2 × posts + comments + 3 × recent posts.

    Posts and comments are counted in separate subqueries: a join would multiply them.
    """
    query = """
        WITH posts_by_user AS (
            SELECT user_id, count(*) AS posts, count(*) FILTER (WHERE created_at >= %s) AS recent
            FROM posts WHERE visibility = 'public' GROUP BY user_id
        ), comments_by_user AS (
            SELECT comments.user_id, count(*) AS comments FROM comments
            JOIN posts ON posts.id = comments.post_id AND posts.visibility = 'public'
            GROUP BY comments.user_id
        ), totals AS (
            SELECT user_id, coalesce(posts, 0) AS "totalPosts",
                coalesce(comments, 0) AS "totalComments", coalesce(recent, 0) AS "recentPosts"
            FROM posts_by_user FULL JOIN comments_by_user USING (user_id)
        )
        SELECT id, first_name, last_name, avatar_url, bio, job,
            "totalPosts", "totalComments", "recentPosts",
            2 * "totalPosts" + "totalComments" + 3 * "recentPosts" AS "activityScore"
        FROM totals JOIN users ON users.id = user_id
        WHERE users.is_active
        ORDER BY "activityScore" DESC, id LIMIT %s
    """
    with connection.cursor() as cursor:
        cursor.execute(query, [since, MAX_ENTRIES])
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _get_cached(name: str, query: Callable[[], list[Entry]]) -> list[Entry]:
    return cache.get_or_set(_cache_key(name), query, CACHE_SECONDS) or []


def _cache_key(name: str) -> str:
    return f"leaderboard:{name}"
