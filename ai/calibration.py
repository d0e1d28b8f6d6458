"""What a cosine means. Clients send fixed thresholds (0.3 for text, 0.25 for images), but the
cosine of a good match differs from model to model, and between texts and images within one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["text", "image"]
LEAST_SCORES: dict[Kind, float] = {"text": 0.3, "image": 0.25}


@dataclass(frozen=True)
class Scale:
    """Cosines, -1..1, of a query and images.

    low: of unrelated ones (score 0); for three queries in four, half of a collection lies below.
    least: of one that is just relevant (the score of LEAST_SCORES). high: of a strong match (score
    1). spread: the usual standard deviation of a query's cosines to a collection.
    """

    low: float
    least: float
    high: float
    spread: float


# Estimates from what others published; no weights were at hand to measure. A model that nobody
# described is read on OpenAI's scale.
_OPENAI: dict[Kind, Scale] = {
    # LAION kept pairs from 0.28 or 0.3 (arXiv:2210.08402, 2111.02114); a vehicle has 0.25 to its
    # own name and 0.19 to "computer" (openai/CLIP#405).
    "text": Scale(0.17, 0.225, 0.35, spread=0.025),
    # Unrelated photographs lie around 0.4 to 0.6, similar ones above 0.75.
    "image": Scale(0.55, 0.675, 0.95, spread=0.06),
}
# One figure was found: an application shows matches from 0.52 (Sam-Begin-tech/
# clip-image-similarity-app). So between that and OpenAI's.
_LAION_IMAGE = Scale(0.45, 0.6, 0.95, spread=0.07)
_SCALES: dict[str, dict[Kind, Scale]] = {
    "ViT-B-32-quickgelu/openai": _OPENAI,
    # Good matches near 0.28, doubtful ones below 0.22, says the manual of an application.
    "ViT-B-32/laion2b_s34b_b79k": {
        "text": Scale(0.13, 0.215, 0.34, spread=0.03),
        "image": _LAION_IMAGE,
    },
    # Matches of 0.22 to 0.36, the best of unrelated ones 0.15 to 0.21 (Ngum12/voxframe, D-042).
    "xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k": {
        "text": Scale(0.13, 0.215, 0.36, spread=0.03),
        "image": _LAION_IMAGE,
    },
    # The bundled demo model, measured by benchmarks/calibration.py on scenes unseen in training.
    "local-dir/clip": {
        "text": Scale(0.08, 0.4, 0.54, spread=0.15),
        "image": Scale(0.19, 0.565, 0.99, spread=0.18),
    },
}


def similarity_scores(cosines: np.ndarray, kind: Kind, model: str) -> np.ndarray:
    """How well pairs match, 0..1: linear between the model's `low`, `least` and `high`.

    cosines: -1..1, of a text and images (kind "text") or of images. model: a `clip_name()`.
    """
    scale = scale_of(kind, model)
    known = (scale.low, scale.least, scale.high)
    return np.interp(cosines, known, (0.0, LEAST_SCORES[kind], 1.0))


def similarity_score(cosine: float, kind: Kind, model: str) -> float:
    """Of one pair; see `similarity_scores`."""
    return float(similarity_scores(np.array([cosine]), kind, model)[0])


def cosine_of(score: float, kind: Kind, model: str) -> float:
    """The cosine of a pair that matches so well: the inverse of `similarity_score`."""
    scale = scale_of(kind, model)
    known = (scale.low, scale.least, scale.high)
    return float(np.interp(score, (0.0, LEAST_SCORES[kind], 1.0), known))


def scale_of(kind: Kind, model: str) -> Scale:
    return _SCALES.get(model, _OPENAI)[kind]
