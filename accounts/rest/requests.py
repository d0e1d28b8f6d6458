"""The type of a request behind the default permission: somebody is logged in."""

from rest_framework.request import Request

from accounts.models import User


class MemberRequest(Request):
    user: User
