"""The type of a page's request behind `login_required` or `action`: somebody is logged in."""

from accounts.models import User
from smimso.web.pages import PageRequest


class MemberPageRequest(PageRequest):
    user: User
