"""Shapes of notifications."""

from typing import Any

from rest_framework import serializers

from notifications.models import Notification


class NotificationSerializer(serializers.ModelSerializer):
    related_user = serializers.SerializerMethodField()
    post = serializers.SerializerMethodField()

    class Meta:
        model = Notification
        fields = [
            "id",
            "user_id",
            "type",
            "content",
            "related_user_id",
            "post_id",
            "is_read",
            "created_at",
            "related_user",
            "post",
        ]

    def get_related_user(self, notification: Notification) -> dict[str, Any] | None:
        user = notification.related_user
        if user is None:
            return None
        return {
            "id": str(user.pk),
            "first_name": user.first_name,
            "last_name": user.last_name,
            "avatar_url": user.avatar_url,
        }

    def get_post(self, notification: Notification) -> dict[str, str] | None:
        """Only the recipient's own: another's title may have become private since."""
        post = notification.post
        if post is None or post.user_id != notification.user_id:
            return None
        return {"id": str(post.pk), "title": post.title}


def notification_list(user_id: Any, *, page: int, limit: int) -> dict[str, Any]:
    """The data of GET /notifications and of the stream's first event."""
    mine = Notification.objects.visible_to(user_id)
    rows = mine.select_related("related_user", "post").order_by("-created_at", "-id")
    return {
        "notifications": NotificationSerializer(
            rows[(page - 1) * limit : page * limit], many=True
        ).data,
        "total": mine.count(),
        "unreadCount": mine.filter(is_read=False).count(),
    }
