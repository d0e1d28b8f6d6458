"""Pages: the member's own comments and files, and forms that delete what the member did.

The lists of likes and saves are grids of pictures (posts.pages.grids).
"""

from contextlib import suppress
from functools import partial
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import User
from accounts.pages.requests import MemberPageRequest
from posts import interactions
from posts.contributions import contributions_of
from posts.files import access, attachments
from posts.models import Comment, Like, SavedPost
from posts.pages.grids import numbered_page
from smimso.errors import NotFound
from smimso.web.pages import PageRequest, member_action

PAGE_SIZE = 30
# By the part of the path: the model, and the page that lists the rows.
KINDS: dict[str, tuple[type[Comment] | type[Like] | type[SavedPost], str]] = {
    "comments": (Comment, "own-comments"),
    "likes": (Like, "liked"),
    "saves": (SavedPost, "saved"),
}
REMOVED = {
    "comments": _("Your comment was deleted."),
    "likes": _("Your like was removed."),
    "saves": _("The post is no longer saved."),
    "files": _("The file was deleted."),
}


@require_safe
@login_required
@vary_on_headers("HX-Request")
def comments(request: MemberPageRequest) -> HttpResponse:
    page = numbered_page(request, partial(contributions_of, request.user, Comment), PAGE_SIZE)
    is_next_part = request.htmx and not page["first"]
    template = "posts/_own_comments.html" if is_next_part else "posts/own_comments.html"
    return render(request, template, page)


@require_safe
@login_required
@vary_on_headers("HX-Request")
def files(request: MemberPageRequest) -> HttpResponse:
    page = numbered_page(request, partial(_files_of, request.user.pk), PAGE_SIZE)
    is_next_part = request.htmx and not page["first"]
    template = "posts/_own_files.html" if is_next_part else "posts/own_files.html"
    return render(request, template, page)


def _files_of(user_id: UUID, *, page: int, limit: int) -> tuple[list[dict[str, object]], int]:
    """Return a page of files, each with its `url` and `is_image`, and their number."""
    rows, total = attachments.attachments_of(user_id, page=page, limit=limit)
    return [
        {
            "file": file,
            "url": access.unguarded_url(file.name),
            "is_image": access.content_type_of(file.name).startswith("image/"),
        }
        for file in rows
    ], total


@member_action("own-comments")
def remove(request: MemberPageRequest, kind: str, row_id: UUID) -> HttpResponse:
    """Delete a comment, like or save; one that is gone already counts as deleted."""
    if kind not in KINDS:
        raise Http404
    model, page = KINDS[kind]
    row = model.objects.filter(user=request.user, pk=row_id).first()
    with suppress(NotFound):  # deleted meanwhile
        _undo(request.user, row)
    return _respond_to_removal(request, kind, page)


def _undo(user: User, row: Comment | Like | SavedPost | None) -> None:
    match row:
        case Comment():
            interactions.delete_comment(user=user, post_id=row.post_id, comment_id=row.pk)
        case Like():
            interactions.unlike_post(user=user, post_id=row.post_id)
        case SavedPost():
            interactions.unsave_post(user=user, post_id=row.post_id)


@member_action("own-files")
def remove_file(request: MemberPageRequest, filename: str) -> HttpResponse:
    with suppress(NotFound):
        attachments.remove_attachment(request.user.pk, filename)
    return _respond_to_removal(request, "files", "own-files")


def _respond_to_removal(request: PageRequest, kind: str, page: str) -> HttpResponse:
    """Say what was removed, in place of the row, or without scripts above the list."""
    if request.htmx:
        return render(request, "posts/_removed.html", {"text": REMOVED[kind]})
    messages.success(request, str(REMOVED[kind]))
    return redirect(page)
