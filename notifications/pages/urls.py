from django.urls import path

from notifications.pages import inbox

urlpatterns = [
    path("inbox", inbox.inbox, name="inbox"),
    path("inbox/bell", inbox.bell, name="bell"),
    path("inbox/read-all", inbox.read_all, name="read-all"),
    path("inbox/<uuid:notification_id>", inbox.open_notification, name="notification"),
]
