from django.urls import path

from members.pages import account, follow, member

urlpatterns = [
    path("settings/delete", account.DeleteAccount.as_view(), name="delete-account"),
    path("members/<uuid:member_id>", member.member, name="member"),
    path("members/<uuid:member_id>/follow", follow.follow, name="follow"),
]
