"""What the old AI service's route recommends: posts near to those that a member liked."""

from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings

from accounts.models import User
from ai import services as ai
from ai.spaces import steady
from posts.models import EMBEDDING_DIMENSIONS, Like, Post, PostImage, SavedPost
from search.services import Match
from search.vectors import nearest_posts
from smimso.errors import NotFound

LATEST = 50  # likes and saves, from which a taste is read


def recommended_to(user_id: UUID, *, viewer: Any, limit: int) -> list[Match]:
    """`recommended_posts` of a member, as far as the viewer sees them.

    Raises NotFound for an unknown member, and for another than the viewer: what somebody likes is
    nobody else's business, but in the demo (settings.AI_PUBLIC).
    """
    member = User.objects.filter(pk=user_id, is_active=True).first()
    if member is None or (member != viewer and not settings.AI_PUBLIC):
        raise NotFound("User not found")
    found = recommended_posts(member, limit)
    if member == viewer:
        return found
    ids = [match.post.pk for match in found]
    visible = set(Post.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True))
    return [match for match in found if match.post.pk in visible]


@steady
def recommended_posts(user: User, limit: int) -> list[Match]:
    """What is nearest to the mean of what the member lately liked and saved, best first.

    Others' posts alone, and none that was liked or saved already. Empty while nothing was.
    """
    liked = Like.objects.filter(user=user).values_list("post_id", "created_at")
    saved = SavedPost.objects.filter(user=user).values_list("post_id", "created_at")
    known = [post_id for post_id, _ in liked.union(saved).order_by("-created_at")]
    images = PostImage.objects.visible_to(user).searchable(ai.clip_name())
    pictures = images.filter(post__in=known[:LATEST])
    total = np.zeros(EMBEDDING_DIMENSIONS)
    for vector in pictures.values_list("embedding", flat=True):
        total += np.asarray(vector)  # points where the mean does
    if not total.any():
        return []
    own = Post.objects.filter(user=user).values_list("pk", flat=True)
    return nearest_posts(user, total.tolist(), limit=limit, without={*known, *own})
