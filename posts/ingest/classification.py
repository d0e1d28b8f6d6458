"""Categories by zero-shot classification: of one image, and of the whole collection anew.

Stored vectors are enough: no image is looked at again. What an author chose is never changed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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
    """looked_at: posts with a vector that are the AI's to classify; changed: of those."""

    looked_at: int
    changed: int


def label_texts(category: Category) -> dict[str, list[str]]:
    """What images of a category show, by language; semicolons part the texts of a prompt."""
    vietnamese = _parts(category.prompt_vi) or [category.name.lower()]
    return {"en": _parts(category.prompt), "vi": vietnamese}


def _parts(prompt: str) -> list[str]:
    return [text.strip() for text in prompt.split(";") if text.strip()]


@in_one_vector_space
def reclassify_all(progress: Callable[[int], Any] = lambda count: None) -> Outcome:
    """Gives every post that is the AI's to classify the category that its first image shows.

    progress: is told how many posts were done each time. Raises Unavailable without a worker.
    """
    categories = list(Category.objects.all())
    model = ai.clip_name()
    if not categories:
        return Outcome(0, 0)
    labels = zero_shot.embed_labels(ai.embed_texts, map(label_texts, categories), model)
    looked_at = changed = 0
    for post_ids, vectors in _blocks(model):
        best = zero_shot.predict(labels.probabilities(vectors))
        for number, category in [*enumerate(categories), (-1, None)]:
            ids = [post_ids[index] for index in np.flatnonzero(best == number)]
            changed += _assign(ids, category)
        looked_at += len(post_ids)
        progress(len(post_ids))
    return Outcome(looked_at, changed)


def ai_classified() -> Q:
    """Posts whose category the author left open, or the AI filled in."""
    return Q(ai_writable_fields__contains=[FIELD]) | Q(ai_fields__contains=[FIELD])


def _blocks(model: str) -> Iterator[tuple[list[Any], np.ndarray]]:
    """Ids of posts and float32 [n, 512], the vectors of their first images."""
    images = PostImage.objects.searchable(model).filter(display_order=0)
    posts = images.filter(post__in=Post.objects.filter(ai_classified()))
    last = None
    while True:
        rows = posts.filter(post_id__gt=last) if last else posts
        block: list[Any] = list(
            rows.order_by("post_id").values_list("post_id", "embedding")[:BLOCK_SIZE]
        )
        if not block:
            return
        last = block[-1][0]
        yield [post_id for post_id, _ in block], np.array([row for _, row in block], np.float32)


def _assign(post_ids: Sequence[Any], category: Category | None) -> int:
    """The author may have chosen meanwhile: the condition is looked at again, on the locked row."""
    filled, left = (
        ("ai_fields", "ai_writable_fields") if category else ("ai_writable_fields", "ai_fields")
    )
    posts = Post.objects.filter(ai_classified(), pk__in=post_ids)
    differ = posts.exclude(category=category) if category else posts.exclude(category=None)
    return differ.update(
        category=category,
        **{
            filled: _array("array_append", _array("array_remove", F(filled))),
            left: _array("array_remove", F(left)),
        },
    )


def _array(function: str, array: Any) -> Func:
    field = ArrayField(models.CharField(max_length=20))
    return Func(array, Value(FIELD), function=function, output_field=field)
