"""Pages with a form about a post: upload, edit, delete."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import get_random_string
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import ValidationError

from accounts.models import Category, User
from media.images import EXTENSIONS
from posts import services
from posts.duplicates import Duplicate, find_duplicates
from posts.models import Post, PostImage, Visibility
from posts.pages.post import get_own_post_or_404
from posts.rest.serializers import (
    CAPTION_LENGTH_MAX,
    ImageCaptionSerializer,
    NewPostSerializer,
    PostChangesSerializer,
)
from smimso.errors import TEXTS, NotFound, SmimsoError
from smimso.web.pages import error_text
from smimso.web.throttling import throttled

FORM_METHODS = ["GET", "HEAD", "POST"]


@login_required
@require_http_methods(FORM_METHODS)
@throttled("uploads")
def upload(request: HttpRequest) -> HttpResponse:
    """The form; its script sends to the REST API, a browser without scripts sends here."""
    error, duplicates, created = "", None, None
    if request.method == "POST":
        duplicates, error = _try(lambda: _find_duplicates(request))
        if not duplicates and not error:
            created, error = _try(lambda: _create_post(request))
        if created:
            return redirect("post", created.pk)
    page = {
        **_choices(),
        "duplicates": duplicates,
        "chosen": request.POST,
        "request_key": get_random_string(32),
        "error": error,
        "max_files": settings.UPLOAD_MAX_FILES,
        "max_megabytes": settings.UPLOAD_MAX_BYTES // (1024 * 1024),
        "content_types": [f"image/{name.lower()}" for name in EXTENSIONS],
        "error_texts": TEXTS,
    }
    return render(request, "posts/upload.html", page, status=400 if error or duplicates else 200)


@login_required
@require_http_methods(FORM_METHODS)
def edit(request: HttpRequest, post_id: UUID) -> HttpResponse:
    shown = get_own_post_or_404(request, post_id)
    chosen, error = _written(shown), ""
    if request.method == "POST":
        chosen = request.POST.dict()
        _, error = _try(lambda: _change_post(request, shown))
        if not error:
            return redirect("post", post_id)
    page = {
        **_choices(),
        "post": shown,
        "chosen": chosen,
        "error": error,
        "editing": True,
        "captions": _captions(request, shown),
        "caption_length_max": CAPTION_LENGTH_MAX,
    }
    return render(request, "posts/edit.html", page, status=400 if error else 200)


@login_required
@require_http_methods(FORM_METHODS)
def delete(request: HttpRequest, post_id: UUID) -> HttpResponse:
    """Asks first; the POST deletes."""
    shown = get_own_post_or_404(request, post_id)
    if request.method != "POST":
        return render(request, "posts/delete.html", {"post": shown})
    with suppress(NotFound):  # a second click was faster
        services.delete_post(user=request.user, post_id=post_id)
    return redirect("member", shown.user_id)


def _try(work: Callable[[], Any]) -> tuple[Any, str]:
    """What `work` returns, or why it was refused, in the member's language."""
    try:
        return work(), ""
    except (SmimsoError, ValidationError) as error:
        return None, error_text(error)


def _create_post(request: HttpRequest) -> Post:
    form = NewPostSerializer(data=request.POST)
    form.is_valid(raise_exception=True)
    uploads: list[Any] = request.FILES.getlist("images")
    author = cast(User, request.user)
    # The page's own: the form sent twice makes one post, the page opened again another.
    key = request.POST.get("request_key", "")[:255]
    return services.create_post(
        author=author, uploads=uploads, request_key=key, **form.validated_data
    )


def _find_duplicates(request: HttpRequest) -> list[Duplicate]:
    """What was posted before and is sent for the first time, without the confirmation."""
    uploads: list[Any] = request.FILES.getlist("images")
    if "anyway" in request.POST or not uploads:
        return []
    found = find_duplicates(request.user, uploads)
    for upload in uploads:
        upload.seek(0)
    return [each for of_one in found for each in of_one]


def _change_post(request: HttpRequest, shown: Post) -> None:
    """Only what differs: what the author left as it was stays open to the AI."""
    fields: dict[str, Any] = request.POST.dict()
    if "tags" in fields:
        fields["tags"] = fields["tags"].split(",")
    if "description" in fields:  # a browser's line ends are not a change
        fields["description"] = fields["description"].replace("\r\n", "\n")
    form = PostChangesSerializer(data=fields, partial=True)
    form.is_valid(raise_exception=True)
    changes = {
        name: value for name, value in form.validated_data.items() if value != getattr(shown, name)
    }
    captions = _changed_captions(request, shown)
    with transaction.atomic():
        if changes:
            services.update_post(user=request.user, post_id=shown.pk, **changes)
        if captions:
            services.set_captions(user=request.user, post_id=shown.pk, captions=captions)


def _changed_captions(request: HttpRequest, shown: Post) -> dict[UUID, str | None]:
    captions: dict[UUID, str | None] = {}
    for image in shown.images.all():
        written = request.POST.get(f"caption-{image.pk}")
        if written is None or written.strip() == (image.user_caption or ""):
            continue
        form = ImageCaptionSerializer(data={"user_caption": written})
        form.is_valid(raise_exception=True)
        captions[image.pk] = form.validated_data["user_caption"]
    return captions


def _written(shown: Post) -> dict[str, Any]:
    return {
        "title": shown.title,
        "description": shown.description or "",
        "category_id": str(shown.category_id or ""),
        "tags": ", ".join(shown.tags or []),
        "visibility": shown.visibility,
    }


def _captions(request: HttpRequest, shown: Post) -> list[tuple[PostImage, str]]:
    """Images with what their author wrote, or is writing."""
    return [
        (image, request.POST.get(f"caption-{image.pk}", image.user_caption or ""))
        for image in shown.images.all()
    ]


def _choices() -> dict[str, Any]:
    return {"categories": Category.objects.all(), "visibilities": Visibility.values}
