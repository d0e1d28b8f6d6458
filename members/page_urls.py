from django.urls import path

from members import account_pages, follow_pages, pages

urlpatterns = [
    path("settings/delete", account_pages.DeleteAccount.as_view(), name="delete-account"),
    path("members/<uuid:member_id>", pages.member, name="member"),
    path("members/<uuid:member_id>/follow", follow_pages.follow, name="follow"),
]
