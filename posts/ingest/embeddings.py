"""Vectors of images: each is written into the column that its model has at that moment.

While the collection moves to another model, images have a vector of both, and `fill` makes those
that are missing, in batches. Rows are the truth: a batch that is lost is only made again.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import BinaryField, F, Func, Q
from django.utils import timezone
from PIL import Image

from ai import metrics, vector_space
from ai.models import Column, VectorSpace
from posts.ingest import decode_cache
from posts.models import PostImage, PostImageQuerySet
from smimso.errors import InvalidInput, Unavailable
from smimso.queues import BACKFILL

logger = logging.getLogger(__name__)


class AsNumpy(Func):
    """A column of vectors as float32 [512]; text would take 0.1 ms to parse, each."""

    function = "vector_send"  # as pgvector sends them: a head of 4 bytes, then big-endian
    output_field = BinaryField()

    def convert_value(self, value: bytes | None, *_: Any) -> np.ndarray | None:
        return None if value is None else np.frombuffer(value, ">f4", offset=4).astype(np.float32)


class Embedder(Protocol):
    """The part of `ai.engine.Engine` that makes vectors."""

    clip_name: str

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray: ...


class VectorSpaceChanged(Unavailable):
    """The collection moved to another model while a vector was computed; try again."""


def column_values(vectors: Mapping[str, np.ndarray], *, first: str) -> dict[str, Any]:
    """The values to store, for an update in the caller's transaction.

    vectors: of one image, by the name of their model; those of a model that has no column any
    more are left out. first: the model that a collection without vectors begins with.
    """
    columns = vector_space.lock_columns(first)
    values: dict[str, Any] = {}
    for name, vector in vectors.items():
        if column := columns.get(name):
            values |= {column: vector.tolist(), f"{column}_model": name}
    return values


def searchable_column_values(vectors: Mapping[str, np.ndarray], *, first: str) -> dict[str, Any]:
    """As `columns_for`; raises SpaceMoved when none of them would be found by a search."""
    values = column_values(vectors, first=first)
    if Column.SEARCHED.value not in values:
        raise VectorSpaceChanged
    return values


# --- Filling a space --------------------------------------------------------------------------


def missing(kept: Sequence[vector_space.Space]) -> PostImageQuerySet:
    """Images with a vector and a file, but without a vector of each of these spaces."""
    return with_any_vector().filter(missing_condition(kept)).exclude(image_path="")


def missing_condition(kept: Sequence[vector_space.Space]) -> Q:
    condition = Q()
    for space in kept:
        condition |= ~Q(**{f"{space.column}_model": space.name})
    return condition


def with_any_vector() -> PostImageQuerySet:
    return PostImage.objects.exclude(embedding_model="", next_embedding_model="")


def max_attempts() -> int:
    """At the vector that an image lacks; more of them when an operator has it tried again."""
    rounds = VectorSpace.objects.filter(column=Column.SECONDARY).values_list(
        "retry_rounds", flat=True
    )
    return settings.AI_MAX_ATTEMPTS * (rounds.first() or 1)


def backfill(engines: Sequence[Embedder], *, after: UUID | None, until: UUID | None) -> UUID | None:
    """Gives the next batch of images the vectors that they lack, by those engines that there are.

    after, until: the range of ids. Returns the last id of the batch, None when none is left.
    Raises Unavailable when a model is, or none of the engines has a column.
    """
    names = {engine.clip_name for engine in engines}
    kept = [space for space in vector_space.all_spaces() if space.name in names]
    if not kept:
        raise Unavailable
    most = max_attempts()
    rows = missing(kept).filter(fill_attempts__lt=most)
    if after:
        rows = rows.filter(pk__gt=after)
    if until:
        rows = rows.filter(pk__lte=until)
    batch = list(rows.without_vectors().order_by("pk")[: settings.AI_EMBED_BATCH])
    if not batch:
        return None
    attempted = PostImage.objects.filter(pk__in=[image.pk for image in batch])
    attempted.update(fill_attempts=F("fill_attempts") + 1)
    metrics.observe_batch(BACKFILL, len(batch))
    coming = [(image, decode_cache.decode_async(image)) for image in batch]
    readable = [(image, seen) for image, next_ in coming if (seen := _picture(image, next_, most))]
    try:
        _fill(readable, engines, kept)
    except Unavailable:
        attempted.filter(fill_attempts__gt=0).update(fill_attempts=F("fill_attempts") - 1)
        raise
    VectorSpace.objects.filter(column=Column.SECONDARY).update(last_batch_at=timezone.now())
    return batch[-1].pk


def _fill(
    readable: list[tuple[PostImage, Image.Image]],
    engines: Sequence[Embedder],
    kept: Sequence[vector_space.Space],
) -> None:
    """One image that makes the engine fail never fails its neighbours."""
    found: dict[UUID, dict[str, np.ndarray]] = {image.pk: {} for image, _ in readable}
    columns = {space.name: space.column for space in kept}
    try:
        for engine in engines:
            name, model = engine.clip_name, f"{columns.get(engine.clip_name)}_model"
            wanted = [pair for pair in readable if getattr(pair[0], model, name) != name]
            if not wanted:
                continue
            vectors = engine.embed_images([picture for _, picture in wanted])
            for (image, _), vector in zip(wanted, vectors, strict=True):
                found[image.pk][name] = vector
    except (RuntimeError, ValueError, ArithmeticError):
        if len(readable) > 1:
            for one in readable:
                _fill([one], engines, kept)
        else:
            logger.exception("No further vector for image %s", readable[0][0].pk)
            metrics.count_failures(BACKFILL)
        return
    for image_id, vectors_of_image in found.items():
        with transaction.atomic():
            values = column_values(vectors_of_image, first=engines[0].clip_name)
            PostImage.objects.filter(pk=image_id).update(**values, fill_attempts=0)
    metrics.count_finished(BACKFILL, len(found))


def _picture(image: PostImage, coming: Future[Image.Image], most: int) -> Image.Image | None:
    try:
        with metrics.observe_decode(BACKFILL):
            return coming.result()
    except (FileNotFoundError, InvalidInput) as error:  # no further attempt would do better
        row = PostImage.objects.filter(pk=image.pk)
        row.update(fill_attempts=most)
        logger.warning("No further vector for image %s: %s", image.pk, error)
    except OSError as error:  # of the storage: it may be there again at the next attempt
        logger.warning("Image %s could not be read: %s", image.pk, error)
    metrics.count_failures("decode")
    return None
