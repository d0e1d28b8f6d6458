"""Create, change and delete posts and their images."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal, TypedDict, Unpack
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F

from accounts.models import Category, User
from accounts.viewer import Viewer
from media.images import Upload, check_images
from media.preparation import CheckedImage
from posts import feed, idempotency
from posts.files import access
from posts.ingest import queue
from posts.ingest.file_names import words_from_file_name
from posts.models import AIStatus, Post, PostImage
from posts.tags import clean_tags
from posts.visibility import Visibility
from smimso.errors import InvalidInput, NotAllowed, NotFound
from smimso.queues import EMBED
from smimso.visible_text import clean_line

UNTITLED = "Untitled Post"
MAX_QUEUED_AT_ONCE = 500  # images; the reconciler queues the rest of a large retry


class PostChanges(TypedDict, total=False):
    title: str | None
    description: str | None
    category_id: UUID | None
    tags: list[str] | None
    visibility: str


def create_post(
    *,
    author: User,
    uploads: Sequence[Upload],
    title: str = "",
    description: str = "",
    category_id: UUID | None = None,
    tags: list[str] | None = None,
    visibility: str = Visibility.PUBLIC,
    user_captions: list[str] | None = None,
    request_key: str = "",
) -> Post:
    """Store the post with its images and queue them for the AI, without waiting for it.

    Fields that the author left empty are listed in `ai_writable_fields`; the AI fills them in
    later. If the request is a retry (`posts.idempotency`), return the post that the first request
    created. Raises InvalidInput; then nothing is stored.
    """
    if not uploads:
        raise InvalidInput("images_required")
    _check_category(category_id)
    checked = check_images(uploads, author.pk)
    tags = clean_tags(tags or [])
    fields = {"title": title, "description": description, "category": category_id, "tags": tags}
    content = fields | {"visibility": visibility, "user_captions": user_captions}
    checksums = [image.checksum for image in checked]
    digest = idempotency.compute_digest(content, key=request_key, checksums=checksums)
    if previous := _find_previous(author, digest, request_key):
        return previous
    post = Post(
        user=author,
        title=title or clean_line(words_from_file_name(uploads[0].name or "")) or UNTITLED,
        description=description or None,
        category_id=category_id,
        tags=tags or None,
        visibility=visibility,
        ai_writable_fields=[name for name, value in fields.items() if not value],
        request_digest=digest,
    )
    return _save_post(post, checked, user_captions or [], request_key)


def _find_previous(author: User, digest: str, key: str) -> Post | None:
    own = Post.objects.filter(user=author)
    return idempotency.find_previous(own, digest, key=key, seconds=settings.POST_RETRY_SECONDS)


def _save_post(
    post: Post, checked: list[CheckedImage], user_captions: list[str], request_key: str
) -> Post:
    image_ids = [uuid4() for _ in checked]
    captions = [*user_captions, *[""] * len(checked)]
    try:
        images = [
            _new_image(post, image_id, image, order, captions[order])
            for order, (image_id, image) in enumerate(zip(image_ids, checked, strict=True))
        ]
        with transaction.atomic():
            # Serializes the author's posts: a retry may arrive while the first request is running.
            User.objects.select_for_update(no_key=True).get(pk=post.user_id)
            previous = _find_previous(post.user, post.request_digest, request_key)
            if previous is None:
                post.save(force_insert=True)
                PostImage.objects.bulk_create(images)
                feed.invalidate_total()
    except BaseException:
        _remove_images(image_ids)
        raise
    if previous:
        _remove_images(image_ids)
        return previous
    # Outside the try block: once the rows are committed, a failure must not remove their files.
    transaction.on_commit(lambda: queue.enqueue(EMBED, image_ids), robust=True)
    return post


def _remove_images(image_ids: Sequence[UUID]) -> None:
    for image_id in image_ids:
        access.remove_image(image_id)


def _new_image(
    post: Post, image_id: UUID, checked: CheckedImage, order: int, user_caption: str
) -> PostImage:
    path = access.store_image(image_id, checked)
    return PostImage(
        id=image_id,
        post=post,
        image_url=f"/uploads/{path}",
        image_path=path,
        width=checked.width,
        height=checked.height,
        file_size=len(checked.data),
        is_animated=checked.is_animated,
        checksum=checked.checksum,
        placeholder=checked.placeholder,
        perceptual_hash=checked.perceptual_hash,
        colors=checked.colors,
        user_caption=user_caption.strip() or None,
        display_order=order,
    )


def update_post(*, user: User, post_id: UUID, **changes: Unpack[PostChanges]) -> None:
    """Change the given fields. Fields that the author wrote are no longer open to the AI.

    Raises NotFound for a post that the member may not see, NotAllowed for another member's post,
    and InvalidInput; then nothing is changed.
    """
    if "title" in changes and not changes["title"]:
        raise InvalidInput("title_required")
    if "category_id" in changes:
        _check_category(changes["category_id"])
    if "tags" in changes:
        changes["tags"] = clean_tags(changes["tags"] or []) or None
    with transaction.atomic():
        post = _lock_own_post(user, post_id, "cannot_edit_post")
        written = {"category" if name == "category_id" else name for name in changes}
        # The frontend's form always sends the title, so only a different one was written.
        if changes.get("title") == post.title:
            written.discard("title")
        for name, value in changes.items():
            setattr(post, name, value)
        post.ai_writable_fields = [name for name in post.ai_writable_fields if name not in written]
        post.ai_fields = [name for name in post.ai_fields if name not in written]
        post.save(update_fields=[*changes, "ai_writable_fields", "ai_fields", "updated_at"])
        feed.invalidate_total()


def set_captions(*, user: User, post_id: UUID, captions: Mapping[UUID, str | None]) -> None:
    """Store the author's captions of images; a blank one or None restores the AI's caption.

    Raises NotFound for a post that the member may not see or an image of another post, and
    NotAllowed for another member's post; then nothing is changed.
    """
    with transaction.atomic():
        post = _lock_own_post(user, post_id, "cannot_edit_post")
        for image_id, text in captions.items():
            images = post.images.filter(pk=image_id)
            if not images.update(user_caption=(text or "").strip() or None):
                raise NotFound("image_not_found")


def remove_captions(image_ids: Sequence[UUID], *, source: Literal["author", "ai"]) -> int:
    """Remove the author's or the AI's captions (for staff); return the number of images changed.

    Without the author's caption, the AI's is shown again. The AI's caption returns only if the
    images are retried. It is also removed from the post's description, but not from its title and
    tags, which the author can edit.
    """
    images = PostImage.objects.filter(pk__in=image_ids)
    with transaction.atomic():
        posts = Post.objects.filter(pk__in=images.values("post"))
        list(posts.select_for_update().order_by("pk"))
        if source == "author":
            return images.exclude(user_caption=None).update(user_caption=None)
        by_first_image = posts.filter(pk__in=images.filter(display_order=0).values("post"))
        by_first_image.filter(ai_fields__contains=["description"], description=F("caption")).update(
            description=None
        )
        by_first_image.update(caption=None)
        captioned = images.exclude(ai_caption=None, caption=None)
        return captioned.update(ai_caption=None, caption=None, caption_model="")


def delete_post(*, user: User, post_id: UUID) -> None:
    """Delete a post with its images, likes and comments; remove the files after the commit.

    Raises NotFound and NotAllowed, as `update_post` does.
    """
    with transaction.atomic():
        post = _lock_own_post(user, post_id, "cannot_delete_post")
        image_ids = list(post.images.values_list("pk", flat=True))
        post.delete()
        feed.invalidate_total()
        for image_id in image_ids:
            transaction.on_commit(partial(access.remove_image, image_id), robust=True)


def _lock_own_post(user: User, post_id: UUID, refusal: str) -> Post:
    """Lock a post against the AI and other requests until the transaction ends.

    refusal: error code for another member's post.
    """
    posts = Post.objects.visible_to(user).select_for_update(of=("self",))
    post = posts.filter(pk=post_id).first()
    if post is None:
        raise NotFound("post_not_found")
    if post.user_id != user.pk:
        raise NotAllowed(refusal)
    return post


def _check_category(category_id: UUID | None) -> None:
    if category_id and not Category.objects.filter(pk=category_id).exists():
        raise InvalidInput("category_not_found")


def get_visible_post(viewer: Viewer, post_id: UUID) -> Post:
    """Return a post with everything that a page shows. Raises NotFound."""
    post = Post.objects.visible_to(viewer).for_display(viewer).filter(pk=post_id).first()
    if post is None:
        raise NotFound("post_not_found")
    return post


def get_visible_image(viewer: Viewer, post_id: UUID, image_id: UUID) -> PostImage:
    """Return an image of a visible post. Raises NotFound."""
    for image in get_visible_post(viewer, post_id).images.all():
        if image.pk == image_id:
            return image
    raise NotFound("image_not_found")


def retry_images(image_ids: list[UUID]) -> int:
    """Restart the AI processing of stored images; return the number of images queued."""
    with transaction.atomic():
        images = PostImage.objects.filter(pk__in=image_ids).exclude(image_path="")
        ids = list(images.values_list("pk", flat=True))
        images.update(ai_status=AIStatus.PENDING, ai_error="", ai_attempts=0)
        transaction.on_commit(partial(queue.enqueue, EMBED, ids))
    return len(ids)


def retry_failed(reason: str | None = None) -> int:
    """Restart the AI processing of all failed images, or of those that failed for `reason`.

    Return their number. The first MAX_QUEUED_AT_ONCE are queued at once, the others by the
    reconciler. reason: as annotated by `PostImageQuerySet.failed`.
    """
    with transaction.atomic():
        images = PostImage.objects.failed().exclude(image_path="")
        if reason is not None:
            images = images.filter(reason=reason)  # type: ignore[misc]
        first = list(images.values_list("pk", flat=True)[:MAX_QUEUED_AT_ONCE])
        count = images.update(
            ai_status=AIStatus.PENDING, ai_error="", ai_attempts=0, ai_queued_at=None
        )
        transaction.on_commit(partial(queue.enqueue, EMBED, first))
    return count
