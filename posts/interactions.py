"""Likes, saves and comments on posts that the member may see.

A counter changes in the transaction that inserts or deletes the rows it counts. Each change locks
the post first, which its counter needs anyway. So changes cannot deadlock, and none sees another
one half done. Every function raises NotFound for a post that the member may not see; what members
did themselves they can undo on any post.
"""

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from accounts.models import User
from accounts.viewer import Viewer
from notifications.models import NotificationType
from notifications.services import notify, retract
from posts import idempotency
from posts.models import Activity, ActivityType, Comment, Like, Post, SavedPost
from posts.visibility import visible_posts
from smimso.errors import InvalidInput, NotAllowed, NotFound

MAX_COMMENTS = 500  # per response
# In SQL, because Django's cascade runs one query for each level of the thread.
_THREAD = """
    WITH RECURSIVE thread AS (
        SELECT id FROM comments WHERE id = %s
        UNION ALL
        SELECT comments.id FROM comments JOIN thread ON comments.parent_comment_id = thread.id
    )
    SELECT id FROM thread
"""


def like_post(*, user: User, post_id: UUID) -> None:
    """Like a post and notify its author. Idempotent."""
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


def unlike_post(*, user: User, post_id: UUID) -> None:
    likes = Like.objects.filter(user=user, post=post_id)
    with transaction.atomic():
        post = _lock_post(user, post_id, own=likes)
        removed, _ = likes.delete()
        if removed:
            _change_counters(post_id, like_count=-1)
            retract(
                recipient_id=post.user_id,
                actor_id=user.pk,
                type=NotificationType.LIKE,
                post_id=post.pk,
            )


def save_post(*, user: User, post_id: UUID) -> None:
    with transaction.atomic():
        post = _lock_post(user, post_id)
        _, created = SavedPost.objects.get_or_create(user=user, post=post)
        if created:
            Activity.objects.create(user=user, post=post, activity_type=ActivityType.SAVE)


def unsave_post(*, user: User, post_id: UUID) -> None:
    saves = SavedPost.objects.filter(user=user, post=post_id)
    with transaction.atomic():
        _lock_post(user, post_id, own=saves)
        saves.delete()


def add_comment(
    *,
    user: User,
    post_id: UUID,
    content: str | None,
    parent_comment_id: UUID | None = None,
    request_key: str = "",
) -> Comment:
    """Store a comment; notify the post's author and the author of the parent comment.

    If the request is a retry (`posts.idempotency`), return the comment that the first request
    created. Raises InvalidInput if the text is blank or the parent belongs to another post.
    """
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
        comment = Comment(user=user, post=post, parent_comment=parent, content=text)
        if previous := _find_previous_comment(comment, request_key):
            return previous
        comment.save(force_insert=True)
        _change_counters(post_id, comment_count=1)
        Activity.objects.create(user=user, post=post, activity_type=ActivityType.COMMENT)
        _notify_of_comment(comment, post, parent)
    return comment


def _find_previous_comment(comment: Comment, key: str) -> Comment | None:
    """Return the comment of an earlier request, and note in `comment` what identifies this one.

    The lock on the post makes a retry wait for the first request.
    """
    fields = {
        "post": comment.post_id,
        "parent": comment.parent_comment_id,
        "content": comment.content,
    }
    comment.request_digest = idempotency.compute_digest(fields, key=key)
    own = Comment.objects.filter(user=comment.user, post=comment.post).select_related("user")
    return idempotency.find_previous(
        own, comment.request_digest, key=key, seconds=settings.COMMENT_RETRY_SECONDS
    )


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


def delete_comment(*, user: User, post_id: UUID, comment_id: UUID) -> None:
    """Delete a comment with all replies to it. Allowed for its author and the post's author.

    Raises NotFound and NotAllowed.
    """
    own = Comment.objects.filter(pk=comment_id, user=user)
    with transaction.atomic():
        post = _lock_post(user, post_id, own=own)
        comment = Comment.objects.filter(pk=comment_id, post=post).first()
        if comment is None:
            raise NotFound("comment_not_found")
        if user.pk not in (comment.user_id, post.user_id):
            raise NotAllowed("cannot_delete_comment")
        thread = [reply.pk for reply in Comment.objects.raw(_THREAD, [comment.pk])]
        Comment.objects.filter(pk__in=thread).delete()
        _change_counters(post_id, comment_count=-len(thread))


def comments_of(
    viewer: Viewer, post_id: UUID, *, page: int | None = None, limit: int = MAX_COMMENTS
) -> list[Comment]:
    """Return comments, oldest first: the given page, or without `page` the latest `limit`.

    Return none for a post that the viewer may not see. Comments of deactivated members are left
    out, although `comment_count` includes them: the members may come back.
    """
    if not Post.objects.visible_to(viewer).filter(pk=post_id).exists():
        return []
    comments = Comment.objects.filter(post_id=post_id, user__is_active=True).select_related("user")
    if page is None:
        return list(comments.order_by("-created_at", "-id")[:limit])[::-1]
    return list(comments.order_by("created_at", "id")[(page - 1) * limit : page * limit])


def _lock_post(user: User, post_id: UUID, *, own: QuerySet | None = None) -> Post:
    """Lock a post until the transaction ends. Raises NotFound.

    own: rows of the member that are to be deleted. A post with such a row may be hidden from the
    member: the author's settings must not keep members from deleting what is theirs.
    """
    allowed = visible_posts(user)
    if own is not None:
        allowed |= Q(pk__in=own.values("post"))
    posts = Post.objects.filter(allowed).select_for_update(of=("self",), no_key=True)
    post = posts.filter(pk=post_id).first()
    if post is None:
        raise NotFound("post_not_found")
    return post


def _change_counters(post_id: UUID, **changes: int) -> None:
    Post.objects.filter(pk=post_id).update(
        **{name: F(name) + change for name, change in changes.items()}
    )
