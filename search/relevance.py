"""What a cosine says about relevance, 0..1: for each model, and for each query anew.

The cosines of a query to a random sample of the collection have a spread. A query that tells images
apart has a wide one; to one that means nothing to the model all images are about as near. So the
cosine is read on the model's own scale (`ai.calibration`), moved by how far the spread is from a
usual one, and mapped by a logistic curve. Measured by benchmarks/relevance.py; reasons in ADR 10.
"""

import math
import threading
import time
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
from django.db import connection

from ai.calibration import Kind, scale_of, similarity_score

SAMPLE = 1_000  # images
LEAST_SAMPLE = 50  # below this, chance says more than the sample
SAMPLE_SECONDS = 600.0


@dataclass(frozen=True)
class Curve:
    """In units of the model's scale, where 0 is an unrelated pair and 1 a strong match.

    least: what just gets the score that clients ask for at least. steepness: of the logistic.
    spread: the usual standard deviation; trust: by how much more of it the cosine counts more.
    """

    least: float
    steepness: float
    spread: float = 0.0
    trust: float = 0.0


LEAST_SCORES: dict[Kind, float] = {"text": 0.3, "image": 0.25}
MOST_SHIFT = 0.2
# A model that was not measured has no usual spread: its scale alone has to do.
_DEFAULT: dict[Kind, Curve] = {"text": Curve(0.55, 9.0), "image": Curve(0.5, 9.0)}
_CURVES: dict[str, dict[Kind, Curve]] = {
    "local-dir/clip": {
        "text": Curve(0.745, 11.0, spread=0.24, trust=2.0),
        "image": Curve(0.5, 9.0, spread=0.2, trust=1.0),
    },
}


@dataclass(frozen=True)
class Sample:
    """vectors: float32 [n, 512] of unit length, of images drawn at random."""

    vectors: np.ndarray

    def spread(self, vector: np.ndarray) -> float:
        if not self.is_telling:
            return 1.0
        # Not `@`: for so small a product, BLAS wakes its threads, which costs more.
        cosines = np.einsum("nd,d->n", self.vectors, vector.astype(np.float32))
        return float(cosines.std())

    @property
    def is_telling(self) -> bool:
        return len(self.vectors) >= LEAST_SAMPLE


def scores(
    cosines: np.ndarray, vector: np.ndarray, *, kind: Kind, model: str, sample: Sample
) -> np.ndarray:
    """Scores, 0..1, of images with these cosines (-1..1) to `vector`; they rise with the cosine.

    Of a small collection, they are the model's absolute scale.
    """
    if not len(cosines) or not sample.is_telling:
        return np.array([similarity_score(float(c), kind, model) for c in cosines])
    scale = scale_of(kind, model)
    curve = _CURVES.get(model, _DEFAULT)[kind]
    width = scale.high - scale.low
    shift = curve.trust * (sample.spread(vector) / width - curve.spread)
    placed = (np.asarray(cosines) - scale.low) / width + np.clip(shift, -MOST_SHIFT, MOST_SHIFT)
    least = LEAST_SCORES[kind]
    return 1 / (1 + np.exp(-curve.steepness * (placed - curve.least) + math.log(1 / least - 1)))


# --- The sample -------------------------------------------------------------------------------

_lock = threading.Lock()
_kept: dict[str, tuple[float, Sample]] = {}


def sample_of(model: str) -> Sample:
    """Of the collection's vectors of `model`; each process keeps one for SAMPLE_SECONDS.

    Ids are random (UUID 4), so those that follow a random id are a random sample.
    """
    began, sample = _kept.get(model, (0.0, None))
    if sample is not None and time.monotonic() - began < SAMPLE_SECONDS:
        return sample
    sample = Sample(_drawn(model))
    if sample.is_telling:  # a small collection is sampled anew until it is large enough
        with _lock:
            _kept[model] = (time.monotonic(), sample)
    return sample


def forget_samples() -> None:
    """For tests: the collection is another one."""
    _kept.clear()


_SAMPLE = """
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


def _drawn(model: str) -> np.ndarray:
    """float32 [n, 512], n at most SAMPLE; pgvector sends two int16 before the floats."""
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLE, {"start": uuid4(), "model": model, "size": SAMPLE})
        count, data = cursor.fetchone()
    if not count:
        return np.empty((0, 0), np.float32)
    rows = np.frombuffer(data, np.uint8).reshape(count, -1)
    return rows[:, 4:].copy().view(">f4").astype(np.float32)
