"""The page of a member, with the posts that the viewer may see."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts import options
from accounts.models import User
from members.pages.follow import member_context
from posts.models import Post
from posts.pages.grids import render_grid
from smimso.web.pages import PageRequest


@require_safe
@vary_on_headers("HX-Request")
def member(request: PageRequest, member_id: UUID) -> HttpResponse:
    author = get_object_or_404(User, pk=member_id, is_active=True)
    posts = Post.objects.visible_to(request.user).filter(user=author)
    job = options.job_name(author.job or "")
    context = {"author": author, "job": job, **member_context(request.user, author)}
    return render_grid(request, "members/member.html", posts, context)
