"""The type of a page's request behind `login_required` or `action`: a member is logged in."""

from accounts.models import User
from smimso.web.pages import PageRequest


class MemberPageRequest(PageRequest):
    user: User
