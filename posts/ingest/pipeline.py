"""What the AI workers do with queued images: embed, then caption, each in batches.

Idempotent: a row that is past a step is left alone, so a message may come twice or be lost.
An attempt is counted before the work starts, so that an image that kills its worker is given up
after settings.AI_MAX_ATTEMPTS. The engine is passed in; nothing here knows how it computes.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
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
from ai.zero_shot import LocalizedTexts, predict
from posts.ingest import captions, decode_cache, embeddings, queue
from posts.ingest.classification import label_texts
from posts.models import AIStatus, Post, PostImage, PostImageQuerySet
from smimso.errors import InvalidInput, Unavailable
from smimso.queues import CAPTION, EMBED

logger = logging.getLogger(__name__)

# As metrics name them.
STEPS: dict[str, str] = {AIStatus.PENDING: EMBED, AIStatus.EMBEDDED: CAPTION}


class Engine(Protocol):
    """The part of `ai.engine.Engine` that the pipeline uses."""

    clip_name: str

    @property
    def embed_batch_size(self) -> int: ...
    @property
    def caption_batch_size(self) -> int: ...
    @property
    def caption_source(self) -> str: ...
    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray: ...
    def caption_images(self, images: Sequence[Image.Image]) -> list[str]: ...
    def label(self, image_vectors: np.ndarray, labels: Sequence[LocalizedTexts]) -> np.ndarray: ...


Step = Callable[[list[PostImage], list[Image.Image]], None]


def embed_images(
    image_ids: Sequence[UUID], engine: Engine, beside: Sequence[embeddings.Embedder] = ()
) -> None:
    """pending → embedded: searchable from then on; the caption follows on its own queue.

    beside: engines of the other spaces that the collection has vectors in. Raises SpaceMoved
    when `engine` is not, or no longer, the one whose vectors are searched.
    """
    embedded: list[UUID] = []
    at_once = engine.embed_batch_size  # before an attempt is counted: it raises Unavailable

    def embed(images: list[PostImage], pictures: list[Image.Image]) -> None:
        found = {each.clip_name: each.embed_images(pictures) for each in (engine, *beside)}
        for index, image in enumerate(images):
            own = {name: rows[index] for name, rows in found.items()}
            with transaction.atomic():
                values = embeddings.searchable_column_values(own, first=engine.clip_name)
                if _advance(image, AIStatus.EMBEDDED, **values):
                    embedded.append(image.pk)

    for batch in _batches(image_ids, AIStatus.PENDING):
        embedded.clear()
        try:
            _run(batch, embed, at_once)
        finally:
            metrics.count_finished(EMBED, len(embedded))
            if embedded:
                queue.enqueue(CAPTION, embedded)


def caption_images(image_ids: Sequence[UUID], engine: Engine) -> None:
    """embedded → done; the first image's caption fills what the author left open."""

    captioned: list[UUID] = []
    at_once = engine.caption_batch_size

    def caption(images: list[PostImage], pictures: list[Image.Image]) -> None:
        texts = engine.caption_images(pictures)
        categories = _categories_of([image for image in images if _is_first(image)], engine)
        for image, text in zip(images, texts, strict=True):
            values = {"ai_caption": text, "caption_model": engine.caption_source}
            with transaction.atomic():  # a row that is done is never looked at again
                # As everybody who changes a post: it first, then its images and words.
                Post.objects.select_for_update().filter(pk=image.post_id).first()
                if _advance(image, AIStatus.DONE, **values):
                    captioned.append(image.pk)
                    if _is_first(image):
                        fill_open_fields(image.post_id, text, categories.get(image.pk))

    for batch in _batches(image_ids, AIStatus.EMBEDDED):
        captioned.clear()
        _run(batch, caption, at_once)
        metrics.count_finished(CAPTION, len(captioned))


def fill_open_fields(post_id: UUID, caption: str, category: Category | None) -> None:
    """Writes only where the author wrote nothing, and never a second time."""
    values = {
        "title": captions.make_title(caption),
        "description": caption,
        "tags": captions.extract_tags(caption),
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


def reconcile(*, most: int = 500) -> int:
    """Queues again what has waited too long; gives up what failed too often. Images queued."""
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
    for name, status in ((EMBED, AIStatus.PENDING), (CAPTION, AIStatus.EMBEDDED)):
        room = most - queue.depth(name)  # a long queue is busy, not lost
        if room > 0:
            rows = waiting.filter(ai_status=status).order_by(
                F("ai_queued_at").asc(nulls_first=True)
            )
            ids = list(rows.values_list("pk", flat=True)[:room])
            total += len(ids) if ids and queue.enqueue(name, ids) else 0
    return total


def _batches(image_ids: Sequence[UUID], status: AIStatus) -> Iterator[list[PostImage]]:
    """Claimed rows in `status`; one that failed before goes alone, to spare its neighbours."""
    rows = PostImage.objects.filter(
        pk__in=image_ids, ai_status=status, ai_attempts__lt=settings.AI_MAX_ATTEMPTS
    ).without_vectors()
    fresh = [image for image in rows if image.ai_attempts == 0]
    tried = [[image] for image in rows if image.ai_attempts > 0]
    for batch in ([fresh] if fresh else []) + tried:
        PostImage.objects.filter(pk__in=[image.pk for image in batch]).update(
            ai_attempts=F("ai_attempts") + 1, ai_queued_at=timezone.now()
        )
        metrics.observe_batch(STEPS[status], len(batch))
        yield batch


def _run(batch: list[PostImage], step: Step, at_once: int) -> None:
    """One image that cannot be read, or makes the step fail, never fails its neighbours.

    at_once: images that the engine gets, while the next ones are decoded on other threads. No more
    pictures than that are in memory, however large the batch.
    """
    coming = _coming(batch[:at_once])
    for start in range(at_once, len(batch) + at_once, at_once):
        found = [(image, _picture(image, future)) for image, future in coming]
        readable = [(image, picture) for image, picture in found if picture is not None]
        rest = batch[start:]
        coming = _coming(rest[:at_once])
        try:
            if readable:
                _apply(step, readable)
        except Unavailable:  # the model is missing: not the images' fault
            _take_back_attempt([*(image for image, _ in readable), *rest])
            raise


def _coming(images: Sequence[PostImage]) -> list[tuple[PostImage, Future[Image.Image]]]:
    return [(image, decode_cache.decode_async(image)) for image in images]


def _take_back_attempt(images: Sequence[PostImage]) -> None:
    ids = [image.pk for image in images]
    counted = PostImage.objects.filter(pk__in=ids, ai_attempts__gt=0)  # not what is through
    counted.update(ai_attempts=F("ai_attempts") - 1)


def _apply(step: Step, readable: list[tuple[PostImage, Image.Image]]) -> None:
    try:
        step([image for image, _ in readable], [picture for _, picture in readable])
    except (RuntimeError, ValueError, ArithmeticError) as error:
        if len(readable) > 1:
            for one in readable:
                _apply(step, [one])
            return
        image = readable[0][0]
        logger.exception("AI step failed for image %s", image.pk)
        metrics.count_failures(STEPS[image.ai_status])
        _note_failure(image, f"{type(error).__name__}: {error}")


def _picture(image: PostImage, coming: Future[Image.Image]) -> Image.Image | None:
    """The decoded picture, or None after what is wrong was noted with the row."""
    try:
        with metrics.observe_decode(STEPS[image.ai_status]):
            return coming.result()
    except FileNotFoundError:
        reason = "The image file is missing"
    except OSError as error:  # of the storage: it may be there again at the next attempt
        logger.warning("Image %s could not be read: %s", image.pk, error)
        metrics.count_failures("decode")
        _note_failure(image, f"{type(error).__name__}: {error}")
        return None
    except InvalidInput as error:
        reason = str(error)
    metrics.count_failures("decode")
    _unchanged(image).update(ai_status=AIStatus.FAILED, ai_error=reason)
    return None


def _unchanged(image: PostImage) -> PostImageQuerySet:
    """The row, unless it has left the state in which it was claimed: a message may come twice."""
    return PostImage.objects.filter(pk=image.pk, ai_status=image.ai_status)


def _advance(image: PostImage, status: AIStatus, **values: object) -> bool:
    """False when the image is through already. A success may come after it was given up."""
    given_up = PostImage.objects.filter(pk=image.pk, ai_status=AIStatus.FAILED)
    rows = _unchanged(image) | given_up
    return bool(rows.update(ai_status=status, ai_error="", ai_attempts=0, **values))


def _note_failure(image: PostImage, reason: str) -> None:
    """Kept with the row; the reconciler tries again until the attempts are used up."""
    rows = _unchanged(image)
    rows.update(ai_error=reason)
    rows.filter(ai_attempts__gte=settings.AI_MAX_ATTEMPTS).update(ai_status=AIStatus.FAILED)


def _is_first(image: PostImage) -> bool:
    return image.display_order == 0


def _categories_of(images: Sequence[PostImage], engine: Engine) -> dict[UUID, Category]:
    """By zero-shot classification of the stored vectors; without those that fit no category."""
    stored = PostImage.objects.filter(pk__in=[image.pk for image in images])
    vectors = dict(stored.filter(embedding_model=engine.clip_name).values_list("pk", "embedding"))
    categories = list(Category.objects.all()) if vectors else []
    if not categories:
        return {}
    rows = np.array(list(vectors.values()), dtype=np.float32)
    best = predict(engine.label(rows, [label_texts(category) for category in categories]))
    return {pk: categories[index] for pk, index in zip(vectors, best, strict=True) if index >= 0}
