"""Conversion of a query's cosines to scores, 0..1. No other module of search converts any.

A model has a scale (`ai.calibration`), and each query an offset, which its cosines to a random
sample of the collection show. A query that tells images apart spreads them widely; one that means
nothing to the model is about equally near to all of them, and often rather near. So cosines are
raised if their spread is wider than usual, and lowered if it is narrower or if half of the sample
is nearer than unrelated images are. A small sample says little and moves the cosines little.
Measured by benchmarks/relevance.py; reasons in ADR 10.
"""

import threading
import time
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
from django.db import connection

from ai.calibration import Modality, Scale, scale_for, similarity_scores

SAMPLE_SIZE = 1_000  # images
SAMPLE_SECONDS = 600.0
PRIOR_STRENGTH = 50  # a sample of this size weighs as much as the model's scale
SPREAD_WEIGHT, MEDIAN_WEIGHT = 2.0, 0.5


@dataclass(frozen=True)
class CollectionSample:
    """vectors: float32 [n, 512] of unit length, of images drawn at random."""

    vectors: np.ndarray

    @property
    def weight(self) -> float:
        """The weight of the sample, 0..1; the usual values have the rest. 0 below two images."""
        known = max(len(self.vectors) - 1, 0)
        return known / (known + PRIOR_STRENGTH)

    def cosines(self, vector: np.ndarray) -> np.ndarray:
        return self.vectors @ vector.astype(np.float32)

    def spread(self, vector: np.ndarray, scale: Scale) -> float:
        """Return the standard deviation of the cosines, drawn towards the usual one."""
        if not self.weight:
            return scale.spread
        wider = float(self.cosines(vector).std()) - scale.spread
        return scale.spread + self.weight * wider

    def offset(self, vector: np.ndarray, scale: Scale) -> float:
        """Return what to add to cosines to `vector`: at most one usual spread, up or down."""
        if not self.weight:
            return 0.0
        cosines = self.cosines(vector)
        wider = float(cosines.std()) - scale.spread
        nearer = max(float(np.median(cosines)) - scale.unrelated, 0.0)
        offset = SPREAD_WEIGHT * wider - MEDIAN_WEIGHT * nearer
        return self.weight * min(max(offset, -scale.spread), scale.spread)


EMPTY_SAMPLE = CollectionSample(np.empty((0, 0), np.float32))


def calibrated_scores(
    cosines: np.ndarray,
    vector: np.ndarray,
    *,
    modality: Modality,
    model: str,
    sample: CollectionSample,
) -> np.ndarray:
    """Return the scores, 0..1, of images with these cosines (-1..1, or -inf) to `vector`.

    Scores rise with the cosine. modality: what the vector is of.
    """
    offset = sample.offset(vector, scale_for(modality, model))
    return similarity_scores(np.asarray(cosines) + offset, modality, model)


# --- The sample ---------------------------------------------------------------------------------

_lock = threading.Lock()
_samples: dict[str, tuple[float, CollectionSample]] = {}


def get_sample(model: str) -> CollectionSample:
    """Return a sample of the collection's vectors, cached in this process for SAMPLE_SECONDS.

    Ids are random (UUID 4), so the images that follow a random id are a random sample.
    """
    drawn_at, sample = _samples.get(model, (0.0, None))
    if sample is not None and time.monotonic() - drawn_at < SAMPLE_SECONDS:
        return sample
    sample = CollectionSample(_draw_vectors(model))
    if len(sample.vectors) >= PRIOR_STRENGTH:  # a smaller collection may soon be a different one
        with _lock:
            _samples[model] = (time.monotonic(), sample)
    return sample


def clear_samples() -> None:
    """Drop the cached samples, for tests."""
    _samples.clear()


_DRAW = """
    SELECT count(*), string_agg(vector_send(embedding), ''::bytea) FROM (
        (SELECT embedding FROM post_images
         WHERE id >= %(start)s AND embedding_model = %(model)s AND embedding IS NOT NULL
         ORDER BY id LIMIT %(size)s)
        UNION ALL
        (SELECT embedding FROM post_images
         WHERE id < %(start)s AND embedding_model = %(model)s AND embedding IS NOT NULL
         ORDER BY id LIMIT %(size)s)
        LIMIT %(size)s
    ) AS drawn
"""


def _draw_vectors(model: str) -> np.ndarray:
    """Return float32 [n, 512], n <= SAMPLE_SIZE. pgvector sends two int16 before the floats."""
    with connection.cursor() as cursor:
        cursor.execute(_DRAW, {"start": uuid4(), "model": model, "size": SAMPLE_SIZE})
        count, data = cursor.fetchone()
    if not count:
        return np.empty((0, 0), np.float32)
    rows = np.frombuffer(data, np.uint8).reshape(count, -1)
    return rows[:, 4:].copy().view(">f4").astype(np.float32)
