"""REST: a member's notifications."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from notifications import services
from notifications.serializers import notification_list
from smimso.auth import BACKGROUND_AUTHENTICATION
from smimso.http import page_and_limit, success, uuid_or_404


class NotificationListView(APIView):
    authentication_classes = BACKGROUND_AUTHENTICATION

    def get(self, request: Request) -> Response:
        page, limit = page_and_limit(request.query_params)
        return success(notification_list(request.user.pk, page=page, limit=limit))


class UnreadCountView(APIView):
    def get(self, request: Request) -> Response:
        return success({"count": services.unread_count(request.user)})


class ReadView(APIView):
    def put(self, request: Request, notification_id: str) -> Response:
        known = uuid_or_404(notification_id, "Notification not found")
        services.mark_read(user=request.user, notification_id=known)
        return success(None, "Notification marked as read")


class ReadAllView(APIView):
    def put(self, request: Request) -> Response:
        services.mark_all_read(user=request.user)
        return success(None, "All notifications marked as read")
