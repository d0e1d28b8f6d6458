from django.urls import path

from notifications.rest import views
from notifications.rest.stream import notification_stream

urlpatterns = [
    path("notifications", views.NotificationListView.as_view()),
    path("notifications/stream", notification_stream),
    path("notifications/unread-count", views.UnreadCountView.as_view()),
    path("notifications/read-all", views.ReadAllView.as_view()),
    path("notifications/<uuid:notification_id>/read", views.ReadView.as_view()),
]
