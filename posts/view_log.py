"""Who opened which post: once per member, post and some hours, and written in batches.

A popular post would be locked by each of its readers, and the log of activities would grow with
every reload. Redis remembers who was there and collects the views; the clock writes them. What
Redis loses is a few seconds of views. Without Redis each view is written at once, as it comes.
"""

import logging
from collections import Counter
from typing import Any
from uuid import UUID

import redis
from django.db import transaction
from django.db.models import F

from accounts.models import User
from ai.connection import redis_client
from posts.models import Activity, ActivityType, Post

SEEN_SECONDS = 6 * 3600
_SEEN = "smimso:seen:{}:{}"
_WAITING = "smimso:views"
_LOCK = "smimso:views:lock"
_BATCH = 1000  # views

logger = logging.getLogger(__name__)


def note_view(*, user: Any, post: Post) -> None:
    """Not of one's own posts; not again within SEEN_SECONDS."""
    if user.pk == post.user_id:
        return
    try:
        client = redis_client()
        if client.set(_SEEN.format(post.pk, user.pk), 1, nx=True, ex=SEEN_SECONDS):
            client.rpush(_WAITING, f"{user.pk} {post.pk}")
    except redis.RedisError as error:
        logger.warning("A view is written at once, Redis is away: %s", error)
        _write([(user.pk, post.pk)])


def write_waiting_views() -> int:
    """The number of views written; those of posts and members that are gone are dropped."""
    client = redis_client()
    written = 0
    with client.lock(_LOCK, timeout=300, blocking_timeout=60):  # one at a time: none counts twice
        while waiting := client.lrange(_WAITING, 0, _BATCH - 1):
            pairs = [line.decode().split() for line in waiting]
            written += _write([(UUID(user_id), UUID(post_id)) for user_id, post_id in pairs])
            client.ltrim(_WAITING, len(waiting), -1)
    return written


def _write(views: list[tuple[UUID, UUID]]) -> int:
    user_ids, post_ids = {user_id for user_id, _ in views}, {post_id for _, post_id in views}
    with transaction.atomic():
        # Locked in one order, as by all who change several posts; members may not go meanwhile.
        locked = Post.objects.select_for_update(no_key=True).filter(pk__in=post_ids)
        posts = set(locked.order_by("pk").values_list("pk", flat=True))
        known = User.objects.select_for_update(no_key=True).filter(pk__in=user_ids)
        users = set(known.order_by("pk").values_list("pk", flat=True))
        kept = [view for view in views if view[0] in users and view[1] in posts]
        Activity.objects.bulk_create(
            Activity(user_id=user_id, post_id=post_id, activity_type=ActivityType.VIEW)
            for user_id, post_id in kept
        )
        for post_id, number in Counter(post_id for _, post_id in kept).items():
            Post.objects.filter(pk=post_id).update(view_count=F("view_count") + number)
    return len(kept)
