"""What is told about members by their posts: statistics, activities, and the end of an account.

Whoever counts posts here counts those that the viewer may see, or public ones: a number tells as
much as a list.
"""

from collections import Counter
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Prefetch, Q, Sum
from django.db.models.functions import Coalesce, Greatest

from accounts import profile_images
from accounts.models import Follow, User
from accounts.services import confirm_identity
from members import leaderboards
from posts import feed
from posts.files import access, attachments
from posts.models import Activity, ActivityType, Comment, Like, Post, PostImage
from posts.visibility import visible_posts
from smimso.errors import InvalidInput

MAX_ACTIVITIES = 100
# What the member wrote, what stands on the member's posts, and every reply to it.
_COMMENTS_TO_DELETE = """
    WITH RECURSIVE gone AS (
        SELECT id, post_id FROM comments
        WHERE user_id = %(member)s
        OR post_id IN (SELECT id FROM posts WHERE user_id = %(member)s)
        UNION
        SELECT reply.id, reply.post_id FROM comments reply
        JOIN gone ON reply.parent_comment_id = gone.id
    )
    SELECT id, post_id FROM gone
"""


class Statistics(NamedTuple):
    posts: int
    likes: int
    comments: int
    followers: int
    following: int


def statistics_of(member: User, viewer: Any) -> Statistics:
    """Over the posts that the viewer may see and the members that are listed."""
    posts = Post.objects.visible_to(viewer).filter(user=member)
    sums = posts.aggregate(
        posts=Count("pk"),
        likes=Coalesce(Sum("like_count"), 0),
        comments=Coalesce(Sum("comment_count"), 0),
    )
    to_them = Q(following=member, follower__is_active=True)
    by_them = Q(follower=member, following__is_active=True)
    follows = Follow.objects.filter(to_them | by_them).aggregate(
        followers=Count("pk", filter=to_them), following=Count("pk", filter=by_them)
    )
    return Statistics(**sums, **follows)


def is_following(viewer: User, member: User) -> bool:
    return Follow.objects.filter(follower=viewer, following=member).exists()


def activities_of(user: User, kind: str = "") -> list[Activity]:
    """The member's own log, newest first, each with its `post`. Raises InvalidInput."""
    if kind and kind not in ActivityType.values:
        raise InvalidInput("unknown_activity_type")
    found = Activity.objects.filter(visible_posts(user, "post__"), user=user)
    if kind:
        found = found.filter(activity_type=kind)
    posts = Prefetch("post", Post.objects.for_display(user))
    return list(found.prefetch_related(posts).order_by("-created_at", "-id")[:MAX_ACTIVITIES])


def related_members(viewer: User, *, limit: int) -> list[User]:
    """Who liked the same posts as the viewer, most of them first; without any, the newest members.

    Not those whom the viewer follows already.
    """
    others = User.objects.active().exclude(pk=viewer.pk).exclude(follower_set__follower=viewer)
    liked = Like.objects.filter(visible_posts(viewer, "post__"), user=viewer).values("post")
    related = others.filter(likes__post__in=liked).annotate(shared=Count("likes"))
    found: list[User] = list(related.order_by("-shared", "-created_at", "-pk")[:limit])
    return found or list(others.order_by("-created_at", "-pk")[:limit])


# --- The end of an account ----------------------------------------------------------------------


def delete_account(*, user: User, password: str = "", google_token: str = "") -> None:
    """Everything of the member goes, and other members' counters with it. Raises InvalidInput."""
    confirm_identity(user, password=password, google_token=google_token)
    with transaction.atomic():
        # Posts before the member, as whoever likes or comments takes them: no circle of waiting.
        _lock_posts(user)
        member = User.objects.select_for_update().get(pk=user.pk)
        _lock_posts(member)  # what came in between; nothing more of the member comes after
        _correct_counters_and_delete_comments(member)
        images = list(PostImage.objects.filter(post__user=member).values_list("pk", flat=True))
        urls = (member.avatar_url, member.cover_url)
        member.delete()
        transaction.on_commit(partial(_remove_files, images, urls), robust=True)
        transaction.on_commit(partial(attachments.remove_attachments_of, user.pk), robust=True)
        transaction.on_commit(leaderboards.clear_cache, robust=True)
        feed.invalidate_total()


def _lock_posts(member: User) -> None:
    """The member's own, and those with counters that change; in one order, as others do it too."""
    liked = Like.objects.filter(user=member).values("post")
    commented = Comment.objects.filter(user=member).values("post")
    posts = Post.objects.filter(Q(user=member) | Q(pk__in=liked) | Q(pk__in=commented))
    list(posts.select_for_update().order_by("pk").values_list("pk"))


def _correct_counters_and_delete_comments(member: User) -> None:
    """Takes off other members' posts exactly what goes: likes, and comments with their replies."""
    likes = dict(
        Like.objects.filter(user=member)
        .exclude(post__user=member)
        .values_list("post")
        .annotate(number=Count("pk"))
    )
    rows = Comment.objects.raw(_COMMENTS_TO_DELETE, {"member": member.pk})
    gone = {comment.pk: comment.post_id for comment in rows}
    # Not by following Django's cascade from the member, which goes as deep as a thread.
    Comment.objects.filter(pk__in=gone).delete()
    comments = Counter(gone.values())
    for post_id in sorted(likes.keys() | comments.keys()):
        Post.objects.filter(pk=post_id).exclude(user=member).update(
            # Never below 0: imported counters were not always backed by rows.
            like_count=Greatest(F("like_count") - likes.get(post_id, 0), 0),
            comment_count=Greatest(F("comment_count") - comments[post_id], 0),
        )


def _remove_files(image_ids: list[UUID], urls: tuple[str | None, ...]) -> None:
    for image_id in image_ids:
        access.remove_image(image_id)
    for url in urls:
        profile_images.remove(url)
