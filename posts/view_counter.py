"""Who opened which post: once per member, post and some hours, and written in batches.

A popular post would be locked by each of its readers, and the log of activities would grow with
every reload. Redis remembers who was there and collects the views; the clock writes them, each once
even when it was interrupted. What Redis loses is a few seconds of views. Without Redis each view is
written at once, as it comes.
"""

import logging
from collections import Counter
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import redis
from django.db import transaction
from django.db.models import F, QuerySet

from accounts.models import User
from posts.models import Activity, ActivityType, Post
from smimso.redis import redis_client

SEEN_SECONDS = 6 * 3600
_SEEN = "smimso:seen:{}:{}"
_WAITING = "smimso:views"
_LOCK = "smimso:views:lock"
_BATCH = 1000  # views

logger = logging.getLogger(__name__)


class _View(NamedTuple):
    """id: of the activity that it becomes."""

    id: UUID
    user_id: UUID
    post_id: UUID


def record_view(*, user: Any, post: Post) -> None:
    """Not of one's own posts; not again within SEEN_SECONDS."""
    if user.pk == post.user_id:
        return
    view = _View(uuid4(), user.pk, post.pk)
    try:
        client = redis_client()
        if client.set(_SEEN.format(post.pk, user.pk), 1, nx=True, ex=SEEN_SECONDS):
            client.rpush(_WAITING, " ".join(map(str, view)))
    except redis.RedisError as error:
        logger.warning("A view is written at once, Redis is away: %s", error)
        _write([view])


def flush_views() -> int:
    """The number of views written; those of posts and members that are gone are dropped."""
    client = redis_client()
    lock = client.lock(_LOCK, timeout=300)
    if not lock.acquire(blocking=False):
        return 0  # another process is about it, or was killed: later
    try:
        written = 0
        while waiting := client.lrange(_WAITING, 0, _BATCH - 1):
            written += _write([_View(*map(UUID, line.decode().split())) for line in waiting])
            client.ltrim(_WAITING, len(waiting), -1)
        return written
    finally:
        lock.release()


def _write(views: list[_View]) -> int:
    with transaction.atomic():
        # Locked in one order, as by all who change several posts; members may not go meanwhile.
        locked = Post.objects.select_for_update(no_key=True)
        posts = set(_keys(locked.filter(pk__in={view.post_id for view in views})))
        known = User.objects.select_for_update(no_key=True)
        users = set(_keys(known.filter(pk__in={view.user_id for view in views})))
        written = set(_keys(Activity.objects.filter(pk__in=[view.id for view in views])))
        kept = [
            view
            for view in views
            if view.id not in written and view.user_id in users and view.post_id in posts
        ]
        Activity.objects.bulk_create(
            Activity(**view._asdict(), activity_type=ActivityType.VIEW) for view in kept
        )
        for post_id, number in Counter(view.post_id for view in kept).items():
            Post.objects.filter(pk=post_id).update(view_count=F("view_count") + number)
    return len(kept)


def _keys(rows: QuerySet[Any]) -> QuerySet[Any, UUID]:
    return rows.order_by("pk").values_list("pk", flat=True)
