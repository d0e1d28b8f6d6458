"""Posts near to a vector, whatever it was made from."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import numpy as np

from ai import services as ai
from ai.calibration import similarity_score
from ai.spaces import steady
from posts.models import Post
from search.nearest import Near, nearest_images
from search.services import Match


@steady
def nearest_posts(
    viewer: Any, vector: list[float], *, limit: int, without: Collection[UUID] = ()
) -> list[Match]:
    """At most `limit` posts, the nearest first, and none of `without`.

    vector: 512 floats, of any length but 0, in the space of the configured model.
    """
    model = ai.clip_name()
    left = _images(viewer, _unit(vector), model, limit, without)
    visible = Post.objects.visible_to(viewer).for_display(viewer)
    posts = visible.in_bulk([near.post_id for near in left])
    images = {image.pk: image for post in posts.values() for image in post.images.all()}
    return [
        Match(
            posts[near.post_id],
            images[near.pk],
            similarity_score(1.0 - near.distance, "image", model),
            "embedding",
        )
        for near in left
        if near.post_id in posts and near.pk in images
    ]


def _images(
    viewer: Any, vector: list[float], model: str, limit: int, without: Collection[UUID]
) -> list[Near]:
    wanted = limit
    while True:
        found = nearest_images(viewer, vector, model=model, limit=wanted)
        left = [image for image in found if image.post_id not in without]
        if len(left) >= limit or len(found) < wanted:
            return left[:limit]
        wanted *= 4


def _unit(vector: list[float]) -> list[float]:
    numbers = np.asarray(vector, dtype=np.float64)
    numbers = numbers / np.abs(numbers).max()  # the squares of very large ones are infinite
    return (numbers / np.linalg.norm(numbers)).tolist()
