"""Following, on a member's page."""

from typing import cast
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.models import User
from accounts.profiles import get_active_member
from accounts.services import follow_user, unfollow_user
from members import services
from smimso.errors import NotFound
from smimso.web.pages import PageRequest, member_action


@member_action("member", "member_id")
def follow(request: PageRequest, member_id: UUID) -> HttpResponse:
    """Also takes it back: the form says which of the two."""
    viewer = cast(User, request.user)
    member = get_active_member(member_id)
    if member == viewer:
        raise NotFound("cannot_follow_self")
    change = unfollow_user if request.POST.get("on") == "0" else follow_user
    change(follower=viewer, following_id=member_id)
    if not request.htmx:
        return redirect("member", member_id)
    page = {"author": member, **member_context(viewer, member)}
    return render(request, "members/_facts.html", page)


def member_context(viewer: object, member: User) -> dict[str, object]:
    follows = isinstance(viewer, User) and services.is_following(viewer, member)
    return {"statistics": services.statistics_of(member, viewer), "follows": follows}
