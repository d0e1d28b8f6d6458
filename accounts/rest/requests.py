"""The type of a REST request behind the default permission: a member is logged in."""

from rest_framework.request import Request

from accounts.models import User


class MemberRequest(Request):
    user: User
