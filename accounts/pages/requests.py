"""The type of a page's request behind `login_required` or `member_action`: by a member."""

from accounts.models import User
from smimso.web.pages import PageRequest


class MemberPageRequest(PageRequest):
    user: User
