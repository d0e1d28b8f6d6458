"""The follow button on a member's page."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.models import User
from accounts.pages.requests import MemberPageRequest
from accounts.profiles import get_active_member
from accounts.services import follow_user, unfollow_user
from accounts.viewer import Viewer
from members import services
from smimso.errors import NotFound
from smimso.web.pages import member_action


@member_action("member", "member_id")
def follow(request: MemberPageRequest, member_id: UUID) -> HttpResponse:
    """Follow a member, or unfollow if the form says `on=0`."""
    member = get_active_member(member_id)
    if member == request.user:
        raise NotFound("cannot_follow_self")
    change = unfollow_user if request.POST.get("on") == "0" else follow_user
    change(follower=request.user, following_id=member_id)
    if not request.htmx:
        return redirect("member", member_id)
    page = {"author": member, **member_context(request.user, member)}
    return render(request, "members/_facts.html", page)


def member_context(viewer: Viewer, member: User) -> dict[str, object]:
    """Return the statistics, and `follows`: the viewer follows the member."""
    follows = isinstance(viewer, User) and services.is_following(viewer, member)
    return {"statistics": services.statistics_of(member, viewer), "follows": follows}
