"""What members do with posts."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F

from accounts.models import Category, User
from media.images import CheckedImage, Upload, check_images
from posts import feed, idempotency
from posts.files import access
from posts.ingest import queue
from posts.ingest.captions import words_from_file_name
from posts.models import AIStatus, Post, PostImage, Visibility
from smimso.errors import InvalidInput, NotAllowed, NotFound
from smimso.queues import EMBED

UNTITLED = "Untitled Post"
MAX_QUEUED_AT_ONCE = 500  # images whose retry is asked for together


def create_post(
    *,
    author: Any,
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
    later. If the request is a repetition (`posts.idempotency`), return the post that the first one
    created. Raises InvalidInput; then nothing was changed.
    """
    if not uploads:
        raise InvalidInput("images_required")
    _check_category(category_id)
    checked = check_images(uploads)
    written = {"title": title, "description": description, "category": category_id, "tags": tags}
    sent = written | {"visibility": visibility, "user_captions": user_captions}
    digest = idempotency.compute_digest(sent, [image.checksum for image in checked], request_key)
    keyed = bool(request_key)
    if earlier := idempotency.find_previous(author, digest, keyed=keyed):
        return earlier
    post = Post(
        user=author,
        title=title or words_from_file_name(uploads[0].name or "") or UNTITLED,
        description=description or None,
        category_id=category_id,
        tags=tags or None,
        visibility=visibility,
        ai_writable_fields=[name for name, value in written.items() if not value],
        request_digest=digest,
    )
    return _save_post(post, checked, user_captions or [], keyed=keyed)


def _save_post(
    post: Post, checked: list[CheckedImage], user_captions: list[str], *, keyed: bool
) -> Post:
    image_ids = [uuid4() for _ in checked]
    captions = [*user_captions, *[""] * len(checked)]
    try:
        images = [
            _new_image(post, image_id, image, order, captions[order])
            for order, (image_id, image) in enumerate(zip(image_ids, checked, strict=True))
        ]
        with transaction.atomic():
            # An author's posts are saved one by one: a retry may overtake the first request.
            User.objects.select_for_update(no_key=True).get(pk=post.user_id)
            earlier = idempotency.find_previous(post.user, post.request_digest, keyed=keyed)
            if earlier is None:
                post.save(force_insert=True)
                PostImage.objects.bulk_create(images)
                feed.invalidate_total()
    except BaseException:
        _remove_images(image_ids)
        raise
    if earlier:
        _remove_images(image_ids)
        return earlier
    # Outside: once the rows are committed, no failure may take their files away.
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
        checksum=checked.checksum,
        placeholder=checked.placeholder,
        perceptual_hash=checked.perceptual_hash,
        colors=checked.colors,
        user_caption=user_caption.strip() or None,
        display_order=order,
    )


def update_post(*, user: Any, post_id: UUID, **changes: Any) -> None:
    """Changes what is given of title, description, category_id, tags and visibility.

    What the author wrote is no longer open to the AI. Raises NotFound for what the member may not
    see, NotAllowed for another's post and InvalidInput; then nothing has changed.
    """
    if "title" in changes and not changes["title"]:
        raise InvalidInput("title_required")
    if "category_id" in changes:
        _check_category(changes["category_id"])
    with transaction.atomic():
        post = _own_post(user, post_id, "cannot_edit_post")
        # The frontend's form always sends the title: one that is as before says nothing.
        written = {name for name in changes if name != "title" or changes[name] != post.title}
        closed = {"category" if name == "category_id" else name for name in written}
        for name, value in changes.items():
            setattr(post, name, value)
        post.ai_writable_fields = [name for name in post.ai_writable_fields if name not in closed]
        post.ai_fields = [name for name in post.ai_fields if name not in closed]
        post.save(update_fields=[*changes, "ai_writable_fields", "ai_fields", "updated_at"])
        feed.invalidate_total()


def set_captions(*, user: Any, post_id: UUID, captions: Mapping[UUID, str | None]) -> None:
    """The author's words about images of a post; none: the AI's words stand again.

    Raises NotFound for what the member may not see or an image of another post, and NotAllowed
    for another's post; then nothing has changed.
    """
    with transaction.atomic():
        post = _own_post(user, post_id, "cannot_edit_post")
        for image_id, text in captions.items():
            images = post.images.filter(pk=image_id)
            if not images.update(user_caption=(text or "").strip() or None):
                raise NotFound("image_not_found")


def remove_captions(image_ids: Sequence[UUID], *, source: Literal["author", "ai"]) -> int:
    """For staff: takes away what the author, or the AI, said about images; of how many.

    Without the author's words the AI's stand again. These come back only with another try; what the
    post has of them goes too, but for a title and tags, which are the author's to edit.
    """
    images = PostImage.objects.filter(pk__in=image_ids)
    with transaction.atomic():
        posts = Post.objects.filter(pk__in=images.values("post"))
        list(posts.select_for_update().order_by("pk"))
        if source == "author":
            return images.exclude(user_caption=None).update(user_caption=None)
        firsts = posts.filter(pk__in=images.filter(display_order=0).values("post"))
        described = firsts.filter(ai_fields__contains=["description"], description=F("caption"))
        described.update(description=None)
        firsts.update(caption=None)
        captioned = images.exclude(ai_caption=None, caption=None)
        return captioned.update(ai_caption=None, caption=None, caption_model="")


def delete_post(*, user: Any, post_id: UUID) -> None:
    """With all that hangs on it; the files go once that is committed. Raises as update_post."""
    with transaction.atomic():
        post = _own_post(user, post_id, "cannot_delete_post")
        image_ids = list(post.images.values_list("pk", flat=True))
        post.delete()
        feed.invalidate_total()
        for image_id in image_ids:
            transaction.on_commit(partial(access.remove_image, image_id), robust=True)


def _own_post(user: Any, post_id: UUID, refusal: str) -> Post:
    """Locked until the transaction ends: neither the AI nor another request writes between."""
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


def get_visible_post(viewer: Any, post_id: UUID) -> Post:
    """With all that a page shows. Raises NotFound for what the viewer may not see."""
    post = Post.objects.visible_to(viewer).for_display(viewer).filter(pk=post_id).first()
    if post is None:
        raise NotFound("post_not_found")
    return post


def get_visible_image(viewer: Any, post_id: UUID, image_id: UUID) -> PostImage:
    """An image of a visible post. Raises NotFound for what the viewer may not see."""
    for image in get_visible_post(viewer, post_id).images.all():
        if image.pk == image_id:
            return image
    raise NotFound("image_not_found")


def retry_images(image_ids: list[UUID]) -> int:
    """Gives images another try from the start; the number of images queued."""
    with transaction.atomic():
        images = PostImage.objects.filter(pk__in=image_ids).exclude(image_path="")
        ids = list(images.values_list("pk", flat=True))
        images.update(ai_status=AIStatus.PENDING, ai_error="", ai_attempts=0)
        transaction.on_commit(partial(queue.enqueue, EMBED, ids))
    return len(ids)


def retry_failed(reason: str | None = None) -> int:
    """As `retry_images` for all that failed, or failed for this reason; the number of images.

    reason: of `PostImageQuerySet.failed`. The first are queued at once, the reconciler does the
    rest.
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
