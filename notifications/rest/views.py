"""REST: list, count and mark notifications."""

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from notifications import services
from notifications.rest.serializers import (
    CountSerializer,
    NotificationListSerializer,
    notification_list,
)
from smimso.web.auth import BACKGROUND_AUTHENTICATION, member_id
from smimso.web.openapi import PAGING, documented
from smimso.web.paging import page_and_limit
from smimso.web.responses import success


class NotificationListView(APIView):
    authentication_classes = BACKGROUND_AUTHENTICATION

    @documented("My notifications", NotificationListSerializer, query=PAGING)
    def get(self, request: Request) -> Response:
        page, limit = page_and_limit(request.query_params)
        return success(notification_list(member_id(request), page=page, limit=limit))


class UnreadCountView(APIView):
    @documented("Number of unread notifications", CountSerializer)
    def get(self, request: Request) -> Response:
        return success({"count": services.unread_count(member_id(request))})


class ReadView(APIView):
    @documented("Mark a notification as read")
    def put(self, request: Request, notification_id: UUID) -> Response:
        services.mark_read(user_id=member_id(request), notification_id=notification_id)
        return success(None, "Notification marked as read")


class ReadAllView(APIView):
    @documented("Mark all notifications as read")
    def put(self, request: Request) -> Response:
        services.mark_all_read(user_id=member_id(request))
        return success(None, "All notifications marked as read")
