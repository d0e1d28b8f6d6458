"""Recommendations of the old AI service's route: posts near those that a member liked."""

from uuid import UUID

from django.conf import settings
from django.db.models import Q

from accounts.models import User
from accounts.viewer import Viewer
from ai import services as ai
from ai.calibration import similarity_score
from ai.vector_space import in_one_vector_space
from posts.models import Post
from recommendations import interests
from search.ann.nearest import nearest_images
from search.fusion import Hit
from search.services import Match, load_matches
from smimso.errors import NotFound


def recommended_posts_of(user_id: UUID, *, viewer: Viewer, limit: int) -> list[Match]:
    """Return the `recommended_posts` of a member that the viewer may see.

    Raises NotFound for an unknown member, and for any other member than the viewer, because
    recommendations reveal what somebody likes. Only the demo (settings.AI_PUBLIC) shows them.
    """
    member = User.objects.filter(pk=user_id, is_active=True).first()
    if member is None or (member != viewer and not settings.AI_PUBLIC):
        raise NotFound("user_not_found")
    matches = recommended_posts(member, limit)
    if member == viewer:
        return matches
    ids = [match.post.pk for match in matches]
    visible = set(Post.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True))
    return [match for match in matches if match.post.pk in visible]


@in_one_vector_space
def recommended_posts(user: User, limit: int) -> list[Match]:
    """Return unseen posts by others that are nearest to the member's mean vector, best first.

    Empty for a member without interactions.
    """
    model = ai.clip_name()
    interactions = interests.interactions_of(user, model)
    if not interactions:
        return []
    seen = interests.seen_posts(user)
    neighbors = nearest_images(
        user,
        interests.weighted_mean(interactions).tolist(),
        model=model,
        limit=limit + len(seen),
        where=~Q(post__user=user),
    )
    hits = [
        Hit(
            image.post_id,
            image.pk,
            similarity_score(1.0 - image.distance, "image", model),
            "embedding",
        )
        for image in neighbors
        if image.post_id not in seen
    ]
    return load_matches(user, hits[:limit])
