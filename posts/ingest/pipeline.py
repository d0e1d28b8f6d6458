"""The steps of the AI workers for queued images: embed, then caption, each in batches.

Idempotent: an image that is past a step is left alone, so a message may come twice or be lost.
The engine is passed in; nothing here depends on how it computes.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, TextField, Value, When
from django.utils import timezone
from PIL import Image

from accounts.models import Category
from ai import metrics
from ai.repetition import without_repetition
from ai.zero_shot import LocalizedTexts, predict
from posts.ingest import captions, embeddings, queue
from posts.ingest.claimed_batch import ClaimedBatch
from posts.ingest.classification import label_texts
from posts.models import AIStatus, Post, PostImage, PostImageQuerySet
from smimso.queues import CAPTION, EMBED

logger = logging.getLogger(__name__)

STEPS: dict[str, str] = {AIStatus.PENDING: EMBED, AIStatus.EMBEDDED: CAPTION}  # and queues


class Engine(embeddings.Embedder, Protocol):
    """The part of `ai.engine.Engine` that the pipeline uses."""

    @property
    def caption_batch_size(self) -> int: ...
    @property
    def caption_source(self) -> str: ...
    def caption_images(self, images: Sequence[Image.Image]) -> list[str]: ...
    def label(self, image_vectors: np.ndarray, labels: Sequence[LocalizedTexts]) -> np.ndarray: ...


def embed_images(
    image_ids: Sequence[UUID], engine: Engine, secondary: Sequence[embeddings.Embedder] = ()
) -> None:
    """Embed pending images, which makes them searchable, and queue them for their captions.

    secondary: engines of the other spaces that the collection has vectors in. Raises
    VectorSpaceChanged if `engine` is not, or no longer, the one whose vectors are searched, and
    Unavailable without its model.
    """
    chunk_size = engine.embed_batch_size  # raises Unavailable, so before an attempt is counted
    for batch in _claim(image_ids, AIStatus.PENDING, chunk_size):
        embedded: list[UUID] = []
        try:
            for images, pictures in batch.decoded():
                with batch.isolated(images):
                    vectors = embeddings.embed_all(pictures, [engine, *secondary])
                    for image, by_model in zip(images, vectors, strict=True):
                        if _store_vectors(image, by_model, first=engine.clip_name):
                            embedded.append(image.pk)
        finally:
            metrics.count_finished(EMBED, len(embedded))
            if embedded:
                queue.enqueue(CAPTION, embedded)


def caption_images(image_ids: Sequence[UUID], engine: Engine) -> None:
    """Caption embedded images; the first image's caption fills what the author left open.

    Raises Unavailable without the model.
    """
    chunk_size = engine.caption_batch_size
    for batch in _claim(image_ids, AIStatus.EMBEDDED, chunk_size):
        captioned: list[UUID] = []
        try:
            for images, pictures in batch.decoded():
                with batch.isolated(images):
                    texts = engine.caption_images(pictures)
                    categories = _classify([image for image in images if _is_first(image)], engine)
                    for image, text in zip(images, texts, strict=True):
                        category = categories.get(image.pk)
                        caption = without_repetition(text)
                        if _store_caption(image, caption, engine.caption_source, category):
                            captioned.append(image.pk)
        finally:
            metrics.count_finished(CAPTION, len(captioned))


def _store_vectors(image: PostImage, vectors: embeddings.Vectors, *, first: str) -> bool:
    with transaction.atomic():
        values = embeddings.searchable_column_values(vectors, first=first)
        return _advance(image, AIStatus.EMBEDDED, **values)


def _store_caption(
    image: PostImage, text: str | None, source: str, category: Category | None
) -> bool:
    """Store the caption, or None if the model found no words for the picture: it is done, too."""
    with transaction.atomic():  # both or nothing: a row that is done is not processed again
        # Lock order of everything that changes a post: the post, then its images and its words.
        Post.objects.select_for_update().filter(pk=image.post_id).first()
        if not _advance(image, AIStatus.DONE, ai_caption=text, caption_model=source):
            return False
        if _is_first(image):
            fill_writable_fields(image.post_id, text, category)
        return True


def fill_writable_fields(post_id: UUID, caption: str | None, category: Category | None) -> None:
    """Fill the fields that the author left open with what the AI found, once."""
    values = {
        "title": captions.make_title(caption or ""),
        "description": caption,
        "tags": captions.extract_tags(caption or ""),
        "category": category,
    }
    with transaction.atomic():
        post = Post.objects.select_for_update().filter(pk=post_id).first()
        if post is None:
            return
        filled = [name for name in post.ai_writable_fields if values.get(name)]
        for name in filled:
            setattr(post, name, values[name])
        post.caption = caption
        post.ai_writable_fields = [name for name in post.ai_writable_fields if name not in filled]
        post.ai_fields = [*post.ai_fields, *filled]
        post.save(
            update_fields=[*filled, "caption", "ai_writable_fields", "ai_fields", "updated_at"]
        )


def reconcile(*, limit: int = 500) -> int:
    """Queue again what has waited too long and give up what failed too often.

    limit: messages that a queue may hold afterwards. Return the number of queued images.
    """
    unfinished = PostImage.objects.filter(ai_status__in=[AIStatus.PENDING, AIStatus.EMBEDDED])
    long_ago = timezone.now() - timedelta(seconds=settings.AI_REQUEUE_SECONDS)
    waiting = unfinished.exclude(ai_queued_at__gte=long_ago).exclude(image_path="")
    given_up = f"Given up after {settings.AI_MAX_ATTEMPTS} attempts; the worker did not survive"
    lost = waiting.filter(ai_attempts__gte=settings.AI_MAX_ATTEMPTS).update(
        ai_status=AIStatus.FAILED,
        ai_error=Case(
            When(ai_error="", then=Value(given_up)),
            default=F("ai_error"),
            output_field=TextField(),
        ),
    )
    metrics.count_failures("given_up", lost)
    total = 0
    longest_first = waiting.order_by(F("ai_queued_at").asc(nulls_first=True))
    for status, step in STEPS.items():
        room = limit - queue.depth(step)  # a long queue is busy, not lost
        if room > 0:
            rows = longest_first.filter(ai_status=status).values_list("pk", flat=True)
            ids = list(rows[:room])
            total += len(ids) if ids and queue.enqueue(step, ids) else 0
    return total


class _PipelineBatch(ClaimedBatch):
    def _count_attempts(self) -> None:
        self._rows(self.images).update(
            ai_attempts=F("ai_attempts") + 1, ai_queued_at=timezone.now()
        )

    def _give_back_attempts(self, images: Sequence[PostImage]) -> None:
        unfinished = self._rows(images).filter(ai_attempts__gt=0)  # 0: finished
        unfinished.update(ai_attempts=F("ai_attempts") - 1)

    def _record_failure(self, image: PostImage, reason: str) -> None:
        """Store the reason; the reconciler tries again until the attempts are used up."""
        rows = _unchanged(image)
        rows.update(ai_error=reason)
        rows.filter(ai_attempts__gte=settings.AI_MAX_ATTEMPTS).update(ai_status=AIStatus.FAILED)

    def _give_up(self, image: PostImage, reason: str) -> None:
        _unchanged(image).update(ai_status=AIStatus.FAILED, ai_error=reason)


def _claim(
    image_ids: Sequence[UUID], status: AIStatus, chunk_size: int
) -> Iterator[_PipelineBatch]:
    """Yield the images in `status`; each that failed before alone, to spare its neighbours."""
    rows = PostImage.objects.filter(
        pk__in=image_ids, ai_status=status, ai_attempts__lt=settings.AI_MAX_ATTEMPTS
    ).without_vectors()
    fresh = [image for image in rows if image.ai_attempts == 0]
    tried = [[image] for image in rows if image.ai_attempts > 0]
    for images in [fresh, *tried] if fresh else tried:
        yield _PipelineBatch(images, step=STEPS[status], chunk_size=chunk_size)


def _unchanged(image: PostImage) -> PostImageQuerySet:
    """Return the row unless it left its claimed state: a message may come twice."""
    return PostImage.objects.filter(pk=image.pk, ai_status=image.ai_status)


def _advance(image: PostImage, status: AIStatus, **values: object) -> bool:
    """Return False if the image is past this step. A success counts even after it was given up."""
    given_up = PostImage.objects.filter(pk=image.pk, ai_status=AIStatus.FAILED)
    rows = _unchanged(image) | given_up
    return bool(rows.update(ai_status=status, ai_error="", ai_attempts=0, **values))


def _is_first(image: PostImage) -> bool:
    return image.display_order == 0


def _classify(images: Sequence[PostImage], engine: Engine) -> dict[UUID, Category]:
    """Return categories by zero-shot classification of the stored vectors, if one fits."""
    stored = PostImage.objects.filter(pk__in=[image.pk for image in images])
    vectors = dict(stored.filter(embedding_model=engine.clip_name).values_list("pk", "embedding"))
    categories = list(Category.objects.all()) if vectors else []
    if not categories:
        return {}
    rows = np.array(list(vectors.values()), dtype=np.float32)
    best = predict(engine.label(rows, [label_texts(category) for category in categories]))
    return {pk: categories[index] for pk, index in zip(vectors, best, strict=True) if index >= 0}
