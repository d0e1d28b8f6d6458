"""What the old AI service's route recommends: posts near to those that a member liked."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from accounts.models import User
from ai import services as ai
from ai.calibration import similarity_score
from ai.vector_space import in_one_vector_space
from posts.models import Post
from recommendations import interests
from search.ann.nearest import nearest_images
from search.fusion import Hit
from search.services import Match, load_matches
from smimso.errors import NotFound


def recommended_posts_of(user_id: UUID, *, viewer: Any, limit: int) -> list[Match]:
    """`recommended_posts` of a member, as far as the viewer sees them.

    Raises NotFound for an unknown member, and for another than the viewer: what somebody likes is
    nobody else's business, but in the demo (settings.AI_PUBLIC).
    """
    member = User.objects.filter(pk=user_id, is_active=True).first()
    if member is None or (member != viewer and not settings.AI_PUBLIC):
        raise NotFound("user_not_found")
    found = recommended_posts(member, limit)
    if member == viewer:
        return found
    ids = [match.post.pk for match in found]
    visible = set(Post.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True))
    return [match for match in found if match.post.pk in visible]


@in_one_vector_space
def recommended_posts(user: User, limit: int) -> list[Match]:
    """What is nearest to the mean of what the member likes to see, best first.

    Others' posts alone, and none that the member knows. Empty while nothing is known of the taste.
    """
    model = ai.clip_name()
    deeds = interests.interactions_of(user, model)
    if not deeds:
        return []
    known = interests.seen_posts(user)
    near = nearest_images(
        user,
        interests.weighted_mean(deeds).tolist(),
        model=model,
        limit=limit + len(known),
        where=~Q(post__user=user),
    )
    ranked = [
        Hit(
            image.post_id,
            image.pk,
            similarity_score(1.0 - image.distance, "image", model),
            "embedding",
        )
        for image in near
        if image.post_id not in known
    ]
    return load_matches(user, ranked[:limit])
