"""Create, retract, read and count notifications."""

import logging
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from notifications.models import Notification
from notifications.pubsub import publish

logger = logging.getLogger(__name__)


def notify(
    *,
    recipient_id: UUID,
    actor_id: UUID,
    type: str,
    content: str,
    post_id: UUID | None = None,
    comment_id: UUID | None = None,
) -> None:
    """Store a notification, and publish it to open streams after the commit.

    Call it inside the transaction of the action, so that both are stored or neither. Stores one
    notification per recipient, actor, type and object; none about one's own actions. A failure is
    logged and never fails the action.
    """
    if recipient_id == actor_id:
        return
    target: dict[str, Any] = {"post_id": post_id, "comment_id": comment_id}
    try:
        with transaction.atomic():
            notification, created = Notification.objects.get_or_create(
                user_id=recipient_id,
                related_user_id=actor_id,
                type=type,
                defaults={"content": content},
                **target,
            )
    except DatabaseError:
        logger.exception("A notification could not be stored")
        return
    if created:
        transaction.on_commit(partial(publish, recipient_id, notification.pk), robust=True)


def retract(*, recipient_id: UUID, actor_id: UUID, type: str, post_id: UUID | None = None) -> None:
    """Delete the notification of an action that was undone. A failure is logged, not raised."""
    target: dict[str, Any] = {"post_id": post_id}
    notifications = Notification.objects.filter(
        user_id=recipient_id, related_user_id=actor_id, type=type, **target
    )
    try:
        with transaction.atomic():
            notifications.delete()
    except DatabaseError:
        logger.exception("A notification could not be retracted")


def notifications_of(user_id: UUID) -> QuerySet[Notification]:
    """Return a member's visible notifications, newest first, with actors and posts."""
    notifications = Notification.objects.visible_to(user_id)
    return notifications.select_related("related_user", "post").order_by("-created_at", "-id")


def mark_read(*, user_id: UUID, notification_id: UUID) -> None:
    """Mark a notification as read. Ignores unknown ones and those of other members."""
    Notification.objects.filter(user_id=user_id, pk=notification_id).update(is_read=True)


def mark_all_read(*, user_id: UUID) -> None:
    Notification.objects.filter(user_id=user_id, is_read=False).update(is_read=True)


def unread_count(user_id: UUID) -> int:
    return Notification.objects.visible_to(user_id).filter(is_read=False).count()
