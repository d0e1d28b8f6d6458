"""Statistics and activities of members, similar members, and the deletion of an account.

Counts include only posts that the viewer may see, because a count leaks as much as a list.
"""

from collections import Counter
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Prefetch, Q, Sum
from django.db.models.functions import Coalesce, Greatest

from accounts import profile_images
from accounts.models import Follow, User
from accounts.services import confirm_identity
from accounts.viewer import Viewer
from members import leaderboards
from posts import feed
from posts.files import access, attachments
from posts.models import Activity, ActivityType, Comment, Like, Post, PostImage
from posts.visibility import visible_posts
from smimso.errors import InvalidInput

MAX_ACTIVITIES = 100
# Comments by the member, comments on the member's posts, and all replies to these.
_COMMENTS_TO_DELETE = """
    WITH RECURSIVE deleted AS (
        SELECT id, post_id FROM comments
        WHERE user_id = %(member)s
        OR post_id IN (SELECT id FROM posts WHERE user_id = %(member)s)
        UNION
        SELECT reply.id, reply.post_id FROM comments reply
        JOIN deleted ON reply.parent_comment_id = deleted.id
    )
    SELECT id, post_id FROM deleted
"""


class Statistics(NamedTuple):
    posts: int
    likes: int
    comments: int
    followers: int
    following: int


def statistics_of(member: User, viewer: Viewer) -> Statistics:
    """Count over the posts that the viewer may see, and over active followers and followed."""
    posts = Post.objects.visible_to(viewer).filter(user=member)
    sums = posts.aggregate(
        posts=Count("pk"),
        likes=Coalesce(Sum("like_count"), 0),
        comments=Coalesce(Sum("comment_count"), 0),
    )
    followers = Q(following=member, follower__is_active=True)
    following = Q(follower=member, following__is_active=True)
    follows = Follow.objects.filter(followers | following).aggregate(
        followers=Count("pk", filter=followers), following=Count("pk", filter=following)
    )
    return Statistics(**sums, **follows)


def is_following(viewer: User, member: User) -> bool:
    return Follow.objects.filter(follower=viewer, following=member).exists()


def activities_of(user: User, activity_type: str = "") -> list[Activity]:
    """Return the member's own activities, newest first, each with its `post`.

    Raises InvalidInput for an unknown type.
    """
    if activity_type and activity_type not in ActivityType.values:
        raise InvalidInput("unknown_activity_type")
    activities = Activity.objects.filter(visible_posts(user, "post__"), user=user)
    if activity_type:
        activities = activities.filter(activity_type=activity_type)
    posts = Prefetch("post", Post.objects.for_display(user))
    return list(activities.prefetch_related(posts).order_by("-created_at", "-id")[:MAX_ACTIVITIES])


def related_members(viewer: User, *, limit: int) -> list[User]:
    """Return members who liked the same posts as the viewer, most shared likes first.

    Without any, the newest members. Leaves out members whom the viewer follows already.
    """
    others = User.objects.active().exclude(pk=viewer.pk).exclude(follower_set__follower=viewer)
    liked = Like.objects.filter(visible_posts(viewer, "post__"), user=viewer).values("post")
    related = others.filter(likes__post__in=liked).annotate(shared=Count("likes"))
    members: list[User] = list(related.order_by("-shared", "-created_at", "-pk")[:limit])
    return members or list(others.order_by("-created_at", "-pk")[:limit])


# --- Deleting an account ----------------------------------------------------------------------


def delete_account(*, user: User, password: str = "", google_token: str = "") -> None:
    """Delete a member with all content, and correct the counters of other members' posts.

    Raises InvalidInput if the password or the token is wrong.
    """
    confirm_identity(user, password=password, google_token=google_token)
    with transaction.atomic():
        # Lock posts before the member, like likes and comments do, to avoid deadlocks.
        _lock_posts(user)
        member = User.objects.select_for_update().get(pk=user.pk)
        _lock_posts(member)  # those that were added meanwhile; the locked member adds no more
        _delete_comments_and_correct_counters(member)
        images = list(PostImage.objects.filter(post__user=member).values_list("pk", flat=True))
        urls = (member.avatar_url, member.cover_url)
        member.delete()
        transaction.on_commit(partial(_remove_files, images, urls), robust=True)
        transaction.on_commit(partial(attachments.remove_attachments_of, user.pk), robust=True)
        transaction.on_commit(leaderboards.clear_cache, robust=True)
        feed.invalidate_total()


def _lock_posts(member: User) -> None:
    """Lock the member's posts and those whose counters change, ordered by id like elsewhere."""
    liked = Like.objects.filter(user=member).values("post")
    commented = Comment.objects.filter(user=member).values("post")
    posts = Post.objects.filter(Q(user=member) | Q(pk__in=liked) | Q(pk__in=commented))
    list(posts.select_for_update().order_by("pk").values_list("pk"))


def _delete_comments_and_correct_counters(member: User) -> None:
    """Delete the comments, and subtract them and the likes from other members' posts."""
    likes = dict(
        Like.objects.filter(user=member)
        .exclude(post__user=member)
        .values_list("post")
        .annotate(number=Count("pk"))
    )
    rows = Comment.objects.raw(_COMMENTS_TO_DELETE, {"member": member.pk})
    deleted = {comment.pk: comment.post_id for comment in rows}
    # Deleted here, because Django's cascade would recurse as deep as a thread.
    Comment.objects.filter(pk__in=deleted).delete()
    comments = Counter(deleted.values())
    for post_id in sorted(likes.keys() | comments.keys()):
        Post.objects.filter(pk=post_id).exclude(user=member).update(
            # Not below 0: imported counters were not always backed by rows.
            like_count=Greatest(F("like_count") - likes.get(post_id, 0), 0),
            comment_count=Greatest(F("comment_count") - comments[post_id], 0),
        )


def _remove_files(image_ids: list[UUID], urls: tuple[str | None, ...]) -> None:
    for image_id in image_ids:
        access.remove_image(image_id)
    for url in urls:
        profile_images.remove(url)
