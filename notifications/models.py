"""Notifications about the actions of other members."""

from uuid import UUID, uuid4

from django.conf import settings
from django.db import models

from notifications.visibility import visible_notifications


class NotificationType(models.TextChoices):
    LIKE = "like"
    COMMENT = "comment"
    FOLLOW = "follow"
    MENTION = "mention"


class NotificationQuerySet(models.QuerySet["Notification"]):
    def visible_to(self, user_id: UUID) -> "NotificationQuerySet":
        """Return the recipient's notifications, without those about posts hidden from them."""
        return self.filter(visible_notifications(user_id))


class Notification(models.Model):
    """Unique per recipient, actor, type and object, so that a repeated action notifies once."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notifications")
    type = models.CharField(max_length=50, choices=NotificationType.choices)
    content = models.TextField()
    related_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+"
    )
    post = models.ForeignKey("posts.Post", models.CASCADE, null=True, blank=True)
    comment = models.ForeignKey("posts.Comment", models.CASCADE, null=True, blank=True)
    is_read = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        db_table = "notifications"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(type__in=NotificationType.values),
                name="notifications_type_valid",
            ),
            models.UniqueConstraint(
                fields=["user", "related_user", "type", "post", "comment"],
                nulls_distinct=False,
                name="notifications_once",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="idx_notifications_user_id"),
            models.Index(
                fields=["user"],
                condition=models.Q(is_read=False),
                name="idx_notifications_unread",
            ),
        ]

    def __str__(self) -> str:
        return self.content
