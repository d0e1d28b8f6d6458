"""Serializers of notifications."""

from typing import TypedDict, cast
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from notifications.models import Notification
from notifications.services import notifications_of
from smimso.web.serializers import ModelSerializer


class RelatedUserSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    first_name = serializers.CharField()
    last_name = serializers.CharField(allow_blank=True)
    avatar_url = serializers.CharField(allow_null=True)


class RelatedPostSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    title = serializers.CharField(allow_blank=True)


class NotificationSerializer(ModelSerializer):
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

    @extend_schema_field(RelatedUserSerializer(allow_null=True))
    def get_related_user(self, notification: Notification) -> dict[str, str | None] | None:
        user = notification.related_user
        if user is None:
            return None
        return {
            "id": str(user.pk),
            "first_name": user.first_name,
            "last_name": user.last_name,
            "avatar_url": user.avatar_url,
        }

    @extend_schema_field(RelatedPostSerializer(allow_null=True))
    def get_post(self, notification: Notification) -> dict[str, str] | None:
        """Return the post only if it is the recipient's: others may have become private."""
        post = notification.post
        if post is None or post.user_id != notification.user_id:
            return None
        return {"id": str(post.pk), "title": post.title}


class NotificationListSerializer(serializers.Serializer):
    notifications = NotificationSerializer(many=True)
    total = serializers.IntegerField()
    unreadCount = serializers.IntegerField()  # noqa: N815 - the frontend's name


class CountSerializer(serializers.Serializer):
    count = serializers.IntegerField()


class NotificationList(TypedDict):
    notifications: list[dict[str, object]]
    total: int
    unreadCount: int


def notification_list(user_id: UUID, *, page: int, limit: int) -> NotificationList:
    """Return the data of GET /notifications and of the first event of a stream."""
    visible = Notification.objects.visible_to(user_id)
    rows = notifications_of(user_id)[(page - 1) * limit : page * limit]
    notifications = NotificationSerializer(rows, many=True).data
    return {
        "notifications": cast(list[dict[str, object]], notifications),
        "total": visible.count(),
        "unreadCount": visible.filter(is_read=False).count(),
    }
