"""Likes, saves and comments. Every one starts from what the member may see.

Counters change in the same transaction as the row they count, and only when a row really came or
went. Every change takes the post's lock first, which its counter needs anyway: so two of them never
wait for each other in a circle, and none sees the half of another.
"""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from notifications.models import NotificationType
from notifications.services import notify, retract
from posts.models import Activity, ActivityType, Comment, Like, Post, SavedPost
from smimso.errors import InvalidInput, NotAllowed, NotFound

MAX_COMMENTS = 500  # of one answer
# Not by following Django's cascade, which goes as deep as the thread.
_THREAD = """
    WITH RECURSIVE thread AS (
        SELECT id FROM comments WHERE id = %s
        UNION ALL
        SELECT comments.id FROM comments JOIN thread ON comments.parent_comment_id = thread.id
    )
    SELECT id FROM thread
"""


def like_post(*, user: Any, post_id: UUID) -> None:
    """Idempotent. Raises NotFound for what the member may not see."""
    with transaction.atomic():
        post = _lock_post(user, post_id)
        _, created = Like.objects.get_or_create(user=user, post=post)
        if not created:
            return
        _change_counters(post_id, like_count=1)
        Activity.objects.create(user=user, post=post, activity_type=ActivityType.LIKE)
        notify(
            recipient_id=post.user_id,
            actor_id=user.pk,
            type=NotificationType.LIKE,
            content=f'{user.full_name} liked your post "{post.title}"',
            post_id=post.pk,
        )


def unlike_post(*, user: Any, post_id: UUID) -> None:
    with transaction.atomic():
        post = _lock_post(user, post_id)
        removed, _ = Like.objects.filter(user=user, post=post).delete()
        if removed:
            _change_counters(post_id, like_count=-1)
            retract(
                recipient_id=post.user_id,
                actor_id=user.pk,
                type=NotificationType.LIKE,
                post_id=post.pk,
            )


def save_post(*, user: Any, post_id: UUID) -> None:
    with transaction.atomic():
        post = _lock_post(user, post_id)
        _, created = SavedPost.objects.get_or_create(user=user, post=post)
        if created:
            Activity.objects.create(user=user, post=post, activity_type=ActivityType.SAVE)


def unsave_post(*, user: Any, post_id: UUID) -> None:
    with transaction.atomic():
        SavedPost.objects.filter(user=user, post=_lock_post(user, post_id)).delete()


def add_comment(
    *, user: Any, post_id: UUID, content: str | None, parent_comment_id: UUID | None = None
) -> Comment:
    """Tells the post's author, and the author of the comment that is replied to."""
    text = (content or "").strip()
    if not text:
        raise InvalidInput("comment_required")
    with transaction.atomic():
        post = _lock_post(user, post_id)
        parent = None
        if parent_comment_id:
            parent = Comment.objects.filter(pk=parent_comment_id, post=post).first()
            if parent is None:
                raise InvalidInput("reply_to_other_post")
        comment = Comment.objects.create(user=user, post=post, parent_comment=parent, content=text)
        _change_counters(post_id, comment_count=1)
        Activity.objects.create(user=user, post=post, activity_type=ActivityType.COMMENT)
        _notify_of_comment(comment, post, parent)
    return comment


def _notify_of_comment(comment: Comment, post: Post, parent: Comment | None) -> None:
    author = comment.user
    notify(
        recipient_id=post.user_id,
        actor_id=author.pk,
        type=NotificationType.COMMENT,
        content=f'{author.full_name} commented on your post "{post.title}"',
        post_id=post.pk,
        comment_id=comment.pk,
    )
    if parent is None or parent.user_id == post.user_id:
        return
    if Post.objects.visible_to(parent.user).filter(pk=post.pk).exists():
        notify(
            recipient_id=parent.user_id,
            actor_id=author.pk,
            type=NotificationType.COMMENT,
            content=f"{author.full_name} replied to your comment",
            post_id=post.pk,
            comment_id=comment.pk,
        )


def delete_comment(*, user: Any, post_id: UUID, comment_id: UUID) -> None:
    """By its author or the post's; replies to it go too, and the counter with them."""
    with transaction.atomic():
        post = _lock_post(user, post_id)
        comment = Comment.objects.filter(pk=comment_id, post=post).first()
        if comment is None:
            raise NotFound("comment_not_found")
        if user.pk not in (comment.user_id, post.user_id):
            raise NotAllowed("cannot_delete_comment")
        thread = [reply.pk for reply in Comment.objects.raw(_THREAD, [comment.pk])]
        Comment.objects.filter(pk__in=thread).delete()
        _change_counters(post_id, comment_count=-len(thread))


def comments_of(
    viewer: Any, post_id: UUID, *, page: int | None = None, limit: int = MAX_COMMENTS
) -> list[Comment]:
    """Oldest first: one page, or without `page` the latest `limit`. None of an invisible post.

    Those of deactivated members are not listed, though `comment_count` still has them: they may
    come back.
    """
    if not Post.objects.visible_to(viewer).filter(pk=post_id).exists():
        return []
    comments = Comment.objects.filter(post_id=post_id, user__is_active=True).select_related("user")
    if page is None:
        return list(comments.order_by("-created_at", "-id")[:limit])[::-1]
    return list(comments.order_by("created_at", "id")[(page - 1) * limit : page * limit])


def _lock_post(user: Any, post_id: UUID) -> Post:
    """The post if the member may see it, locked until the transaction ends."""
    posts = Post.objects.visible_to(user).select_for_update(of=("self",), no_key=True)
    post = posts.filter(pk=post_id).first()
    if post is None:
        raise NotFound("post_not_found")
    return post


def _change_counters(post_id: UUID, **changes: int) -> int:
    """The number of posts changed."""
    return Post.objects.filter(pk=post_id).update(
        **{name: F(name) + change for name, change in changes.items()}
    )
