"""Finding posts: by text, by an image, by another post."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from PIL import Image

from ai import services as ai
from ai.calibration import similarity_score
from ai.spaces import steady
from posts.models import Post, PostImage
from posts.services import visible_post
from posts.words import matching
from search import recall
from search.nearest import nearest_images
from smimso.errors import Overloaded, Unavailable

Method = Literal["embedding", "caption"]
TEXT_SCORE, IMAGE_SCORE = 0.3, 0.25  # the least that counts, unless a program asks for another
WORD_SCORE = 0.5  # a match by words alone has no measure of its own


@dataclass(frozen=True)
class Match:
    """A post that was found, with its best image. score: 0..1."""

    post: Post
    image: PostImage
    score: float
    method: Method


@dataclass(frozen=True)
class Matches:
    """`by_meaning` is False when the AI was away and only words were compared."""

    matches: list[Match]
    by_meaning: bool = True
    caption: str = ""


@steady
def search_text(viewer: Any, query: str, *, limit: int, least_score: float) -> Matches:
    """By meaning; by words when no worker can embed the query."""
    try:
        vector = ai.embed_text(query)
    except (Unavailable, Overloaded):
        return Matches(_by_words(viewer, query, limit=limit), by_meaning=False)
    recall.remember_text(vector, ai.clip_name())
    images = nearest_images(viewer, vector, model=ai.clip_name(), limit=limit)
    return Matches(_by_meaning(viewer, images, kind="text", least_score=least_score))


@steady
def search_image(viewer: Any, image: Image.Image, *, limit: int, least_score: float) -> Matches:
    """By an uploaded picture, which is not kept. Raises Unavailable without a worker."""
    vector, caption = ai.describe_image(image)
    images = nearest_images(viewer, vector, model=ai.clip_name(), limit=limit)
    matches = _by_meaning(viewer, images, kind="image", least_score=least_score)
    return Matches(matches, caption=caption or "")


@steady
def similar_posts(viewer: Any, post_id: UUID, *, limit: int) -> list[Match]:
    """Posts whose best image is nearest to the post's first embedded one.

    Empty while the post has not been embedded. Raises NotFound for an invisible post.
    """
    post = visible_post(viewer, post_id)
    model = ai.clip_name()
    embedded = PostImage.objects.searchable(model).filter(post=post).order_by("display_order")
    vector = embedded.values_list("embedding", flat=True).first()
    if vector is None:
        return []
    images = nearest_images(viewer, vector, model=model, limit=limit, except_post=post.pk)
    return _by_meaning(viewer, images, kind="image", least_score=0.0)


def _by_meaning(
    viewer: Any, images: list[PostImage], *, kind: Literal["text", "image"], least_score: float
) -> list[Match]:
    posts = _posts(viewer, [image.post_id for image in images])
    scored = [
        (image, similarity_score(1.0 - image.distance, kind, ai.clip_name())) for image in images
    ]
    return [
        Match(posts[image.post_id], image, score, "embedding")
        for image, score in scored
        if score >= least_score and image.post_id in posts
    ]


def _by_words(viewer: Any, query: str, *, limit: int) -> list[Match]:
    matches = matching(Post.objects.visible_to(viewer), query)
    ranked = matches.order_by("-rank", "-created_at")  # type: ignore[misc]
    ids = list(ranked.values_list("pk", flat=True)[:limit])
    posts = _posts(viewer, ids)
    found = [posts[pk] for pk in ids if pk in posts]
    return [
        Match(post, image, WORD_SCORE, "caption")
        for post in found
        for image in list(post.images.all())[:1]
    ]


def _posts(viewer: Any, ids: list[UUID]) -> dict[UUID, Post]:
    return Post.objects.visible_to(viewer).for_display(viewer).in_bulk(ids)
