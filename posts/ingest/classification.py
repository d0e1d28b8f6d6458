"""Categories by zero-shot classification of stored vectors; no image is read again.

Categories that an author chose are never changed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q, Value

from accounts.models import Category
from ai import services as ai
from ai import zero_shot
from ai.vector_space import in_one_vector_space
from posts.models import Post, PostImage

BLOCK_SIZE = 4_096  # posts at once: 8 MB of vectors
FIELD = "category"


@dataclass(frozen=True)
class Outcome:
    """classified: posts with a vector whose category the AI may set. changed: how many differ."""

    classified: int
    changed: int


def label_texts(category: Category) -> dict[str, list[str]]:
    """Return the texts of a category's prompts by language; semicolons separate them."""
    vietnamese = _split_prompt(category.prompt_vi) or [category.name.lower()]
    return {"en": _split_prompt(category.prompt), "vi": vietnamese}


def _split_prompt(prompt: str) -> list[str]:
    return [text.strip() for text in prompt.split(";") if text.strip()]


@in_one_vector_space
def reclassify_all(progress: Callable[[int], object] = lambda count: None) -> Outcome:
    """Set the category of each post that `ai_classified` covers, by its first image.

    progress: called with the number of posts after each block. Raises Unavailable without a
    worker.
    """
    categories = list(Category.objects.all())
    model = ai.clip_name()
    if not categories:
        return Outcome(0, 0)
    labels = zero_shot.embed_labels(ai.embed_texts, map(label_texts, categories), model)
    classified = changed = 0
    for post_ids, vectors in _read_blocks(model):
        best = zero_shot.predict(labels.probabilities(vectors))
        for index, category in [*enumerate(categories), (-1, None)]:
            ids = [post_ids[position] for position in np.flatnonzero(best == index)]
            changed += _assign(ids, category)
        classified += len(post_ids)
        progress(len(post_ids))
    return Outcome(classified, changed)


def ai_classified() -> Q:
    """Match posts whose category the author left open or the AI filled in."""
    return Q(ai_writable_fields__contains=[FIELD]) | Q(ai_fields__contains=[FIELD])


def _read_blocks(model: str) -> Iterator[tuple[list[UUID], np.ndarray]]:
    """Yield ids of posts and the vectors of their first images, float32 [n, 512]."""
    images = PostImage.objects.searchable(model).filter(display_order=0)
    rows = images.filter(post__in=Post.objects.filter(ai_classified())).order_by("post_id")
    last: UUID | None = None
    while True:
        following = rows.filter(post_id__gt=last) if last else rows
        block = list(following.values_list("post_id", "embedding")[:BLOCK_SIZE])
        if not block:
            return
        last = block[-1][0]
        yield [post_id for post_id, _ in block], np.array([row for _, row in block], np.float32)


def _assign(post_ids: Sequence[UUID], category: Category | None) -> int:
    """Set or clear the category; return the number of posts that changed.

    The condition is evaluated again on the locked rows, as an author may have chosen meanwhile.
    """
    filled, cleared = (
        ("ai_fields", "ai_writable_fields") if category else ("ai_writable_fields", "ai_fields")
    )
    posts = Post.objects.filter(ai_classified(), pk__in=post_ids)
    differing = posts.exclude(category=category) if category else posts.exclude(category=None)
    return differing.update(
        category=category,
        **{
            filled: _array("array_append", _array("array_remove", F(filled))),
            cleared: _array("array_remove", F(cleared)),
        },
    )


def _array(function: str, array: F | Func) -> Func:
    field = ArrayField(models.CharField(max_length=20))
    return Func(array, Value(FIELD), function=function, output_field=field)
