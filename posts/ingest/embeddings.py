"""Vectors of images, each stored in the column that its model has at that moment.

While the collection moves to another model, images have a vector of both, and `backfill` computes
the missing ones in batches. Rows are the truth: a lost batch is simply computed again.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import BinaryField, F, Func, Q
from django.utils import timezone
from PIL import Image

from ai import metrics, vector_space
from ai.models import Column, VectorSpace
from posts.ingest.claimed_batch import ClaimedBatch
from posts.models import PostImage, PostImageQuerySet
from smimso.errors import Unavailable
from smimso.queues import BACKFILL

logger = logging.getLogger(__name__)

Vectors = Mapping[str, np.ndarray]  # of one image: float32 [512] of unit length by model name


class AsNumpy(Func):
    """Read a vector column as float32 [512]; parsing its text takes 0.1 ms per vector."""

    function = "vector_send"  # pgvector's binary format: a header of 4 bytes, then big-endian
    output_field = BinaryField()

    def convert_value(self, value: bytes | None, *_: object) -> np.ndarray | None:
        return None if value is None else np.frombuffer(value, ">f4", offset=4).astype(np.float32)


class Embedder(Protocol):
    """The part of `ai.engine.Engine` that computes vectors."""

    clip_name: str

    @property
    def embed_batch_size(self) -> int: ...
    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray: ...


class VectorSpaceChanged(Unavailable):
    """The collection switched to another model while a vector was computed; try again."""


def embed_all(pictures: Sequence[Image.Image], engines: Sequence[Embedder]) -> list[Vectors]:
    """Return the vectors of each picture by every engine. Raises Unavailable."""
    by_model = {engine.clip_name: engine.embed_images(pictures) for engine in engines}
    return [
        {model: vectors[index] for model, vectors in by_model.items()}
        for index in range(len(pictures))
    ]


def column_values(vectors: Vectors, *, first: str) -> dict[str, object]:
    """Return the values to store for one image, for an update in the caller's transaction.

    Vectors of a model that has no column any more are left out. first: name of the model that a
    collection without vectors begins with.
    """
    columns = vector_space.lock_columns(first)
    values: dict[str, object] = {}
    for name, vector in vectors.items():
        if column := columns.get(name):
            values |= {column: vector.tolist(), f"{column}_model": name}
    return values


def searchable_column_values(vectors: Vectors, *, first: str) -> dict[str, object]:
    """Return `column_values`; raise VectorSpaceChanged if search would find none of them."""
    values = column_values(vectors, first=first)
    if Column.SEARCHED.value not in values:
        raise VectorSpaceChanged
    return values


# --- Backfill ---------------------------------------------------------------------------------


def missing(spaces: Sequence[vector_space.Space]) -> PostImageQuerySet:
    """Return the images that have a file and some vector, but not one of each of these spaces."""
    is_missing = Q()
    for space in spaces:
        is_missing |= ~Q(**{f"{space.column}_model": space.name})
    return with_any_vector().filter(is_missing).exclude(image_path="")


def with_any_vector() -> PostImageQuerySet:
    return PostImage.objects.exclude(embedding_model="", next_embedding_model="")


def max_attempts() -> int:
    """Return the attempts at an image's missing vector; an operator can grant further rounds."""
    secondary = VectorSpace.objects.filter(column=Column.SECONDARY)
    rounds = secondary.values_list("retry_rounds", flat=True).first()
    return settings.AI_MAX_ATTEMPTS * (rounds or 1)


def backfill(engines: Sequence[Embedder], *, after: UUID | None, until: UUID | None) -> UUID | None:
    """Compute the vectors that the next batch of images lacks, with the given engines.

    after, until: range of ids, exclusive and inclusive. Return the last id of the batch, None if
    nothing is missing. Raises Unavailable if a model is missing or no engine has a column.
    """
    by_name = {engine.clip_name: engine for engine in engines}
    spaces = [space for space in vector_space.all_spaces() if space.name in by_name]
    if not spaces:
        raise Unavailable
    chunk_size = min(engine.embed_batch_size for engine in engines)  # before an attempt is counted
    batch = _claim(spaces, after, until, chunk_size)
    if batch is None:
        return None
    finished: set[UUID] = set()
    for images, pictures in batch.decoded():
        with batch.isolated(images):
            vectors = _embed_missing(images, pictures, spaces, by_name)
            for image, by_model in zip(images, vectors, strict=True):
                _store(image, by_model, first=engines[0].clip_name)
                finished.add(image.pk)
    metrics.count_finished(BACKFILL, len(finished))
    VectorSpace.objects.filter(column=Column.SECONDARY).update(last_batch_at=timezone.now())
    return batch.images[-1].pk


def _claim(
    spaces: Sequence[vector_space.Space], after: UUID | None, until: UUID | None, chunk_size: int
) -> "_BackfillBatch | None":
    limit = max_attempts()
    rows = missing(spaces).filter(fill_attempts__lt=limit)
    if after:
        rows = rows.filter(pk__gt=after)
    if until:
        rows = rows.filter(pk__lte=until)
    images = list(rows.without_vectors().order_by("pk")[: settings.AI_EMBED_BATCH])
    return _BackfillBatch(images, chunk_size=chunk_size, max_attempts=limit) if images else None


def _embed_missing(
    images: Sequence[PostImage],
    pictures: Sequence[Image.Image],
    spaces: Sequence[vector_space.Space],
    engines: Mapping[str, Embedder],
) -> list[Vectors]:
    """Return each image's missing vectors. engines: by the name of their space."""
    vectors: list[dict[str, np.ndarray]] = [{} for _ in images]
    for space in spaces:
        model_field = f"{space.column}_model"
        lacking = [i for i, image in enumerate(images) if getattr(image, model_field) != space.name]
        if lacking:
            computed = engines[space.name].embed_images([pictures[i] for i in lacking])
            for i, vector in zip(lacking, computed, strict=True):
                vectors[i][space.name] = vector
    return list(vectors)


def _store(image: PostImage, vectors: Vectors, *, first: str) -> None:
    with transaction.atomic():
        values = column_values(vectors, first=first)
        PostImage.objects.filter(pk=image.pk).update(**values, fill_attempts=0)


class _BackfillBatch(ClaimedBatch):
    """Images that have a vector of one model and need another: failures leave their state alone."""

    def __init__(self, images: Sequence[PostImage], *, chunk_size: int, max_attempts: int) -> None:
        self.max_attempts = max_attempts
        super().__init__(images, step=BACKFILL, chunk_size=chunk_size)

    def _count_attempts(self) -> None:
        self._rows(self.images).update(fill_attempts=F("fill_attempts") + 1)

    def _give_back_attempts(self, images: Sequence[PostImage]) -> None:
        unfinished = self._rows(images).filter(fill_attempts__gt=0)
        unfinished.update(fill_attempts=F("fill_attempts") - 1)

    def _record_failure(self, image: PostImage, reason: str) -> None:
        """Leave the row alone: the counted attempt is all that there is to store."""

    def _give_up(self, image: PostImage, reason: str) -> None:
        PostImage.objects.filter(pk=image.pk).update(fill_attempts=self.max_attempts)
        logger.warning("No further vector for image %s: %s", image.pk, reason)
