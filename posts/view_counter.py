"""Counting of views: once per member and post within some hours, and written in batches.

Writing each view at once would lock a popular post for every reader and add to the activity log
with every reload. Redis remembers recent views and collects the new ones; Celery beat flushes them,
each exactly once even after an interruption. If Redis loses its data, a few seconds of views are
lost. While Redis is unreachable, views are written directly.
"""

import logging
from collections import Counter
from typing import NamedTuple
from uuid import UUID, uuid4

import redis
from django.db import transaction
from django.db.models import F, QuerySet

from accounts.models import User
from posts.models import Activity, ActivityType, Post
from smimso.redis import redis_client

SEEN_SECONDS = 6 * 3600
_SEEN_KEY = "smimso:seen:{}:{}"
_WAITING_KEY = "smimso:views"
LOCK_KEY = "smimso:views:lock"
_BATCH_SIZE = 1000  # views

logger = logging.getLogger(__name__)


class _View(NamedTuple):
    id: UUID  # of the future Activity
    user_id: UUID
    post_id: UUID


def record_view(*, user: User, post: Post) -> None:
    """Queue a view, unless the post is the user's own or was viewed within SEEN_SECONDS."""
    if user.pk == post.user_id:
        return
    view = _View(uuid4(), user.pk, post.pk)
    try:
        client = redis_client()
        if client.set(_SEEN_KEY.format(post.pk, user.pk), 1, nx=True, ex=SEEN_SECONDS):
            client.rpush(_WAITING_KEY, " ".join(map(str, view)))
    except redis.RedisError as error:
        logger.warning("Redis is unreachable; writing the view directly: %s", error)
        _write([view])


def flush_views() -> int:
    """Write the queued views; return their number. Drop views of deleted posts and members."""
    client = redis_client()
    lock = client.lock(LOCK_KEY, timeout=300)
    if not lock.acquire(blocking=False):
        return 0  # another process is flushing, or was killed: the lock expires
    try:
        written = 0
        while waiting := client.lrange(_WAITING_KEY, 0, _BATCH_SIZE - 1):
            written += _write([_View(*map(UUID, line.decode().split())) for line in waiting])
            client.ltrim(_WAITING_KEY, len(waiting), -1)
        return written
    finally:
        lock.release()


def _write(views: list[_View]) -> int:
    with transaction.atomic():
        # Posts are locked in the order that everyone uses who changes several of them.
        # Members are locked too, so that none is deleted meanwhile.
        locked_posts = Post.objects.select_for_update(no_key=True)
        post_ids = _keys(locked_posts.filter(pk__in={view.post_id for view in views}))
        locked_users = User.objects.select_for_update(no_key=True)
        user_ids = _keys(locked_users.filter(pk__in={view.user_id for view in views}))
        written = _keys(Activity.objects.filter(pk__in=[view.id for view in views]))
        new = [
            view
            for view in views
            if view.id not in written and view.user_id in user_ids and view.post_id in post_ids
        ]
        Activity.objects.bulk_create(
            Activity(**view._asdict(), activity_type=ActivityType.VIEW) for view in new
        )
        for post_id, count in Counter(view.post_id for view in new).items():
            Post.objects.filter(pk=post_id).update(view_count=F("view_count") + count)
    return len(new)


def _keys(rows: QuerySet[Post] | QuerySet[User] | QuerySet[Activity]) -> set[UUID]:
    return set(rows.order_by("pk").values_list("pk", flat=True))
