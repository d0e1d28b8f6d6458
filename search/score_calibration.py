"""What a cosine says about relevance, 0..1: for each model, and for each query anew.

A model has a scale (`ai.calibration`); a query has an offset of its own, seen in its cosines to a
random sample of the collection. A query that tells images apart spreads them widely; to one that
means nothing to the model all are about as near, and often rather near. So the cosine is moved
before it is read: up if the spread is wider than usual, down if it is narrower, or if half of the
sample is nearer than unrelated images are. A small sample says little, and moves it little.
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
PRIOR_STRENGTH = 50  # images; so many say as much about a query as the model's scale does
SAMPLE_SECONDS = 600.0
SPREAD_WEIGHT, MEDIAN_WEIGHT = 2.0, 0.5


@dataclass(frozen=True)
class CollectionSample:
    """vectors: float32 [n, 512] of unit length, of images drawn at random."""

    vectors: np.ndarray

    @property
    def weight(self) -> float:
        """0..1, of what the sample says beside what is usual; two images are the fewest."""
        known = max(len(self.vectors) - 1, 0)
        return known / (known + PRIOR_STRENGTH)

    def cosines(self, vector: np.ndarray) -> np.ndarray:
        return self.vectors @ vector.astype(np.float32)

    def spread(self, vector: np.ndarray, scale: Scale) -> float:
        """The standard deviation of the cosines, drawn towards the usual one."""
        if not self.weight:
            return scale.spread
        wider = float(self.cosines(vector).std()) - scale.spread
        return scale.spread + self.weight * wider

    def shift(self, vector: np.ndarray, scale: Scale) -> float:
        """What to add to cosines to `vector`: at most one usual spread, up or down."""
        if not self.weight:
            return 0.0
        cosines = self.cosines(vector)
        wider = float(cosines.std()) - scale.spread
        nearer = max(float(np.median(cosines)) - scale.unrelated, 0.0)
        shift = SPREAD_WEIGHT * wider - MEDIAN_WEIGHT * nearer
        return self.weight * min(max(shift, -scale.spread), scale.spread)


def calibrated_scores(
    cosines: np.ndarray, vector: np.ndarray, *, kind: Modality, model: str, sample: CollectionSample
) -> np.ndarray:
    """Scores, 0..1, of images with these cosines (-1..1) to `vector`; they rise with the cosine."""
    shift = sample.shift(vector, scale_for(kind, model))
    return similarity_scores(np.asarray(cosines) + shift, kind, model)


# --- The sample -------------------------------------------------------------------------------

_lock = threading.Lock()
_samples: dict[str, tuple[float, CollectionSample]] = {}


def collection_sample(model: str) -> CollectionSample:
    """Of the collection's vectors of `model`; each process keeps one for SAMPLE_SECONDS.

    Ids are random (UUID 4), so those that follow a random id are a random sample.
    """
    began, sample = _samples.get(model, (0.0, None))
    if sample is not None and time.monotonic() - began < SAMPLE_SECONDS:
        return sample
    sample = CollectionSample(_draw_vectors(model))
    if len(sample.vectors) >= PRIOR_STRENGTH:  # a small collection grows fast: it is sampled anew
        with _lock:
            _samples[model] = (time.monotonic(), sample)
    return sample


def clear_samples() -> None:
    """For tests: the collection is another one."""
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
    """float32 [n, 512], n at most SAMPLE; pgvector sends two int16 before the floats."""
    with connection.cursor() as cursor:
        cursor.execute(_DRAW, {"start": uuid4(), "model": model, "size": SAMPLE_SIZE})
        count, data = cursor.fetchone()
    if not count:
        return np.empty((0, 0), np.float32)
    rows = np.frombuffer(data, np.uint8).reshape(count, -1)
    return rows[:, 4:].copy().view(">f4").astype(np.float32)
