"""Telling members what concerns them, and taking it back."""

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
    actor: Any,
    type: str,
    content: str,
    post_id: UUID | None = None,
    comment_id: UUID | None = None,
) -> None:
    """Call it inside the action's transaction: both are stored or neither; sent after commit.

    Once per recipient, actor, kind and object; never about oneself; never fails the action.
    """
    if recipient_id == actor.pk:
        return
    about: dict[str, Any] = {"post_id": post_id, "comment_id": comment_id}
    try:
        with transaction.atomic():
            notification, created = Notification.objects.get_or_create(
                user_id=recipient_id,
                related_user=actor,
                type=type,
                defaults={"content": content},
                **about,
            )
    except DatabaseError:
        logger.exception("A notification could not be stored")
        return
    if created:
        transaction.on_commit(partial(publish, recipient_id, notification.pk), robust=True)


def retract(*, recipient_id: UUID, actor: Any, type: str, post_id: UUID | None = None) -> None:
    """The action was undone: nothing of it stays in the list. Never fails the action."""
    about: dict[str, Any] = {"post_id": post_id}
    found = Notification.objects.filter(
        user_id=recipient_id, related_user=actor, type=type, **about
    )
    try:
        with transaction.atomic():
            found.delete()
    except DatabaseError:
        logger.exception("A notification could not be withdrawn")


def notifications_of(user_id: Any) -> QuerySet[Notification]:
    """Newest first, with all that is told about them."""
    mine = Notification.objects.visible_to(user_id)
    return mine.select_related("related_user", "post").order_by("-created_at", "-id")


def mark_read(*, user: Any, notification_id: UUID) -> None:
    """Somebody else's or an unknown one: nothing happens."""
    Notification.objects.filter(user=user, pk=notification_id).update(is_read=True)


def mark_all_read(*, user: Any) -> None:
    Notification.objects.filter(user=user, is_read=False).update(is_read=True)


def unread_count(user: Any) -> int:
    return Notification.objects.visible_to(user.pk).filter(is_read=False).count()
