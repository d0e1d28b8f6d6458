from django.urls import path

from notifications import pages

urlpatterns = [
    path("inbox", pages.inbox, name="inbox"),
    path("inbox/bell", pages.bell, name="bell"),
    path("inbox/read-all", pages.read_all, name="read-all"),
    path("inbox/<uuid:notification_id>", pages.open_notification, name="notification"),
]
