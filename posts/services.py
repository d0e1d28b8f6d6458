"""What members do with posts."""

import re
from functools import partial
from pathlib import PurePath
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from accounts.models import Category, User
from posts import files, queue
from posts.models import AIStatus, Post, PostImage, Visibility
from smimso.errors import InvalidInput, NotFound
from smimso.uploads import CheckedImage, Upload, check_images

UNTITLED = "Untitled Post"
# File names that cameras, phones and browsers make up: no title for a post.
_MEANINGLESS_NAME = re.compile(
    r"(img|dsc|dscn|pxl|image|photo|screenshot|untitled|download|unnamed|blob)?[\s\d().a-f-]*",
    re.IGNORECASE,
)


def create_post(
    *,
    author: User,
    uploads: list[Upload],
    title: str = "",
    description: str = "",
    category_id: UUID | None = None,
    tags: list[str] | None = None,
    visibility: str = Visibility.PUBLIC,
    user_captions: list[str] | None = None,
) -> Post:
    """Saves the post with its images and queues them for the AI; does not wait for it.

    What the author leaves open is noted in `open_fields` and filled from caption and category
    later. Raises InvalidInput; then nothing has changed.
    """
    if not uploads:
        raise InvalidInput("At least one image is required")
    if category_id and not Category.objects.filter(pk=category_id).exists():
        raise InvalidInput("The category does not exist")
    checked = check_images(uploads)
    written = {"title": title, "description": description, "category": category_id, "tags": tags}
    post = Post(
        user=author,
        title=title or _title_from(uploads[0].name or ""),
        description=description or None,
        category_id=category_id,
        tags=tags or None,
        visibility=visibility,
        open_fields=[name for name, value in written.items() if not value],
    )
    return _save_post(post, checked, user_captions or [])


def _save_post(post: Post, checked: list[CheckedImage], user_captions: list[str]) -> Post:
    image_ids = [uuid4() for _ in checked]
    captions = [*user_captions, *[""] * len(checked)]
    try:
        images = [
            _new_image(post, image_id, image, order, captions[order])
            for order, (image_id, image) in enumerate(zip(image_ids, checked, strict=True))
        ]
        with transaction.atomic():
            post.save(force_insert=True)
            PostImage.objects.bulk_create(images)
            transaction.on_commit(partial(queue.enqueue, queue.EMBED, image_ids))
    except BaseException:
        for image_id in image_ids:
            files.remove_image(image_id)
        raise
    return post


def _new_image(
    post: Post, image_id: UUID, checked: CheckedImage, order: int, user_caption: str
) -> PostImage:
    path = files.store_image(image_id, checked)
    return PostImage(
        id=image_id,
        post=post,
        image_url=f"/uploads/{path}",
        image_path=path,
        width=checked.width,
        height=checked.height,
        file_size=len(checked.data),
        checksum=checked.checksum,
        placeholder=checked.placeholder,
        user_caption=user_caption.strip() or None,
        display_order=order,
    )


def _title_from(file_name: str) -> str:
    words = re.sub(r"[-_\s]+", " ", PurePath(file_name).stem).strip()
    return UNTITLED if _MEANINGLESS_NAME.fullmatch(words) else words[:255]


def visible_post(viewer: Any, post_id: UUID) -> Post:
    """With all that a page shows. Raises NotFound for what the viewer may not see."""
    post = Post.objects.visible_to(viewer).for_display(viewer).filter(pk=post_id).first()
    if post is None:
        raise NotFound("Post not found")
    return post


def retry_images(image_ids: list[UUID]) -> int:
    """Gives images another try from the start; the number of images queued."""
    with transaction.atomic():
        images = PostImage.objects.filter(pk__in=image_ids).exclude(image_path="")
        ids = list(images.values_list("pk", flat=True))
        images.update(ai_status=AIStatus.PENDING, ai_error="", ai_attempts=0)
        transaction.on_commit(partial(queue.enqueue, queue.EMBED, ids))
    return len(ids)
