"""Pages with a form for a post: upload, edit, delete."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import ValidationError

from accounts.models import Category
from accounts.pages.requests import MemberPageRequest
from media.formats import ACCEPTED_TYPES, LABELS
from posts import services
from posts.duplicates import Duplicate, find_duplicates
from posts.models import Post, PostImage
from posts.pages.post import get_own_post_or_404
from posts.rest.serializers import (
    MAX_CAPTION_LENGTH,
    ImageCaptionSerializer,
    NewPostSerializer,
    PostChangesSerializer,
)
from posts.visibility import Visibility
from smimso.errors import TEXTS, NotFound, SmimsoError
from smimso.web.idempotency_key import form_key, new_form_key
from smimso.web.pages import error_text
from smimso.web.throttling import throttled

FORM_METHODS = ["GET", "HEAD", "POST"]

T = TypeVar("T")


@login_required
@require_http_methods(FORM_METHODS)
@throttled("uploads")
def upload(request: MemberPageRequest) -> HttpResponse:
    """Show the upload form. Its script uses the REST API; without scripts it is posted here."""
    error, duplicates, created = "", None, None
    if request.method == "POST":
        duplicates, error = _try(lambda: _find_unconfirmed_duplicates(request))
        if not duplicates and not error:
            created, error = _try(lambda: _create_post(request))
        if created:
            return redirect("post", created.pk)
    context = {
        **_choices(),
        "duplicates": duplicates,
        "values": request.POST,
        "request_key": new_form_key(),
        "error": error,
        "max_files": settings.UPLOAD_MAX_FILES,
        "max_megabytes": settings.UPLOAD_MAX_BYTES // (1024 * 1024),
        "content_types": ACCEPTED_TYPES,
        "formats": LABELS,
        "error_texts": TEXTS,
    }
    status = 400 if error or duplicates else 200
    return render(request, "posts/upload.html", context, status=status)


@login_required
@require_http_methods(FORM_METHODS)
def edit(request: MemberPageRequest, post_id: UUID) -> HttpResponse:
    post = get_own_post_or_404(request, post_id)
    values, error = _initial_values(post), ""
    if request.method == "POST":
        values = request.POST.dict()
        _, error = _try(lambda: _update_post(request, post))
        if not error:
            return redirect("post", post_id)
    context = {
        **_choices(),
        "post": post,
        "values": values,
        "error": error,
        "editing": True,
        "captions": _caption_values(request, post),
        "max_caption_length": MAX_CAPTION_LENGTH,
    }
    return render(request, "posts/edit.html", context, status=400 if error else 200)


@login_required
@require_http_methods(FORM_METHODS)
def delete(request: MemberPageRequest, post_id: UUID) -> HttpResponse:
    """Ask for confirmation; delete the post on POST."""
    post = get_own_post_or_404(request, post_id)
    if request.method != "POST":
        return render(request, "posts/delete.html", {"post": post})
    with suppress(NotFound):  # deleted meanwhile, by a second click
        services.delete_post(user=request.user, post_id=post_id)
    return redirect("member", post.user_id)


def _try(work: Callable[[], T]) -> tuple[T | None, str]:
    """Return the result of `work` and "", or None and the error's text in the member's language."""
    try:
        return work(), ""
    except (SmimsoError, ValidationError) as error:
        return None, error_text(error)


def _create_post(request: MemberPageRequest) -> Post:
    form = NewPostSerializer(data=request.POST)
    form.is_valid(raise_exception=True)
    return services.create_post(
        author=request.user,
        uploads=request.FILES.getlist("images"),
        request_key=form_key(request),
        **form.validated_data,
    )


def _find_unconfirmed_duplicates(request: MemberPageRequest) -> list[Duplicate]:
    """Return earlier posts of the pictures, unless the member confirmed that they know them."""
    uploads = request.FILES.getlist("images")
    if "anyway" in request.POST or not uploads:
        return []
    duplicates = find_duplicates(request.user, uploads)
    for upload in uploads:
        upload.seek(0)
    return [duplicate for of_upload in duplicates for duplicate in of_upload]


def _update_post(request: MemberPageRequest, post: Post) -> None:
    """Update only what differs, so that unchanged fields stay open to the AI."""
    fields: dict[str, Any] = request.POST.dict()
    if "tags" in fields:
        fields["tags"] = fields["tags"].split(",")
    form = PostChangesSerializer(data=fields, partial=True)
    form.is_valid(raise_exception=True)
    changes = {
        name: value for name, value in form.validated_data.items() if value != getattr(post, name)
    }
    captions = _changed_captions(request, post)
    with transaction.atomic():
        if changes:
            services.update_post(user=request.user, post_id=post.pk, **changes)
        if captions:
            services.set_captions(user=request.user, post_id=post.pk, captions=captions)


def _changed_captions(request: MemberPageRequest, post: Post) -> dict[UUID, str | None]:
    captions: dict[UUID, str | None] = {}
    for image in post.images.all():
        text = request.POST.get(f"caption-{image.pk}")
        if text is None or text.strip() == (image.user_caption or ""):
            continue
        form = ImageCaptionSerializer(data={"user_caption": text})
        form.is_valid(raise_exception=True)
        captions[image.pk] = form.validated_data["user_caption"]
    return captions


def _initial_values(post: Post) -> dict[str, str]:
    return {
        "title": post.title,
        "description": post.description or "",
        "category_id": str(post.category_id or ""),
        "tags": ", ".join(post.tags or []),
        "visibility": post.visibility,
    }


def _caption_values(request: MemberPageRequest, post: Post) -> list[tuple[PostImage, str]]:
    """Return the images with the captions as sent, or as stored."""
    return [
        (image, request.POST.get(f"caption-{image.pk}", image.user_caption or ""))
        for image in post.images.all()
    ]


def _choices() -> dict[str, object]:
    return {"categories": Category.objects.all(), "visibilities": Visibility.values}
