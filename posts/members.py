"""What is told about members by their posts: statistics, activities, and the end of an account.

Whoever counts posts here counts those that the viewer may see, or public ones: a number tells as
much as a list.
"""

from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, F, Prefetch, Q, Sum
from django.db.models.functions import Coalesce, Greatest

from accounts import pictures
from accounts.models import Follow, User
from accounts.services import confirm_identity
from posts import files, leaderboards
from posts.models import Activity, ActivityType, Like, Post, PostImage, visible_posts
from smimso.errors import InvalidInput

MOST_ACTIVITIES = 100


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
        raise InvalidInput("Failed to fetch user activities: unknown type")
    found = Activity.objects.filter(visible_posts(user, "post__"), user=user)
    if kind:
        found = found.filter(activity_type=kind)
    posts = Prefetch("post", Post.objects.for_display(user))
    return list(found.prefetch_related(posts).order_by("-created_at", "-id")[:MOST_ACTIVITIES])


def related_members(viewer: User, *, limit: int) -> list[User]:
    """Who liked the same posts as the viewer, most of them first; without any, the newest members.

    Not those whom the viewer follows already.
    """
    others = User.objects.active().exclude(pk=viewer.pk).exclude(follower_set__follower=viewer)
    liked = Like.objects.filter(visible_posts(viewer, "post__"), user=viewer).values("post")
    related = others.filter(likes__post__in=liked).annotate(shared=Count("likes"))
    found: list[User] = list(related.order_by("-shared", "-created_at", "-pk")[:limit])
    return found or list(others.order_by("-created_at", "-pk")[:limit])


# --- The end of an account ------------------------------------------------------------------


def delete_account(*, user: User, password: str = "", google_token: str = "") -> None:
    """Everything of the member goes, and other members' counters with it. Raises InvalidInput."""
    confirm_identity(user, password=password, google_token=google_token)
    with transaction.atomic():
        member = User.objects.select_for_update().get(pk=user.pk)
        _correct_counters(member)
        images = list(PostImage.objects.filter(post__user=member).values_list("pk", flat=True))
        urls = (member.avatar_url, member.cover_url)
        member.delete()
        transaction.on_commit(partial(_remove_files, images, urls), robust=True)
        transaction.on_commit(leaderboards.forget, robust=True)


def _correct_counters(member: User) -> None:
    """Takes off other members' posts exactly what goes: likes, and comments with their replies."""
    likes = dict(
        Like.objects.filter(user=member)
        .exclude(post__user=member)
        .values_list("post")
        .annotate(number=Count("pk"))
    )
    comments = _comments_that_go(member)
    touched = sorted(likes.keys() | comments.keys())
    # In one order: two accounts that end at once must not wait for each other.
    list(Post.objects.select_for_update().filter(pk__in=touched).order_by("pk").values_list("pk"))
    for post_id in touched:
        Post.objects.filter(pk=post_id).update(
            # Never below 0: imported counters were not always backed by rows.
            like_count=Greatest(F("like_count") - likes.get(post_id, 0), 0),
            comment_count=Greatest(F("comment_count") - comments.get(post_id, 0), 0),
        )


def _comments_that_go(member: User) -> dict[UUID, int]:
    query = """
        WITH RECURSIVE gone AS (
            SELECT id, post_id FROM comments WHERE user_id = %s
            UNION
            SELECT reply.id, reply.post_id FROM comments reply
            JOIN gone ON reply.parent_comment_id = gone.id
        )
        SELECT gone.post_id, count(*) FROM gone
        JOIN posts ON posts.id = gone.post_id WHERE posts.user_id <> %s
        GROUP BY gone.post_id
    """
    with connection.cursor() as cursor:
        cursor.execute(query, [member.pk, member.pk])
        return dict(cursor.fetchall())


def _remove_files(image_ids: list[UUID], urls: tuple[str | None, ...]) -> None:
    for image_id in image_ids:
        files.remove_image(image_id)
    for url in urls:
        pictures.remove(url)
