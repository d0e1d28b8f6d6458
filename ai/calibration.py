"""Calibration of cosines to scores.

Clients send fixed thresholds (0.3 for text, 0.25 for images), but the cosine of a good match
differs between models and, within one model, between text and image queries.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Modality = Literal["text", "image"]
MIN_SCORES: dict[Modality, float] = {"text": 0.3, "image": 0.25}


@dataclass(frozen=True)
class Scale:
    """Typical cosines (-1..1) between queries and images in the space of one model.

    unrelated: score 0; for three queries in four, half of a collection lies below it. relevant: a
    barely relevant image, the score in MIN_SCORES. strong: a strong match, score 1. spread: usual
    standard deviation of a query's cosines to a collection.
    """

    unrelated: float
    relevant: float
    strong: float
    spread: float


# Estimates from published figures, as no weights were available to measure them. Unknown models
# use OpenAI's scale.
_OPENAI: dict[Modality, Scale] = {
    # LAION selected pairs with a cosine of at least 0.28 or 0.3 (arXiv:2210.08402, 2111.02114); a
    # vehicle has 0.25 to its own name and 0.19 to "computer" (openai/CLIP#405).
    "text": Scale(0.17, 0.225, 0.35, spread=0.025),
    # Unrelated photographs lie around 0.4 to 0.6, similar ones above 0.75.
    "image": Scale(0.55, 0.675, 0.95, spread=0.06),
}
# Only one figure is published: an application shows matches from 0.52 (Sam-Begin-tech/
# clip-image-similarity-app). The values lie between that and OpenAI's.
_LAION_IMAGE = Scale(0.45, 0.6, 0.95, spread=0.07)
_SCALES: dict[str, dict[Modality, Scale]] = {
    "ViT-B-32-quickgelu/openai": _OPENAI,
    # An application's manual: good matches near 0.28, doubtful ones below 0.22.
    "ViT-B-32/laion2b_s34b_b79k": {
        "text": Scale(0.13, 0.215, 0.34, spread=0.03),
        "image": _LAION_IMAGE,
    },
    # Matches at 0.22 to 0.36, the best unrelated ones at 0.15 to 0.21 (Ngum12/voxframe, D-042).
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


def similarity_scores(cosines: np.ndarray, modality: Modality, model: str) -> np.ndarray:
    """Return scores 0..1, piecewise linear between `unrelated`, `relevant` and `strong`.

    cosines: float [n], -1..1, between n images and a text (modality "text") or an image.
    model: name of the vector space, see `ai.services.clip_name`.
    """
    scale = scale_for(modality, model)
    anchors = (scale.unrelated, scale.relevant, scale.strong)
    return np.interp(cosines, anchors, (0.0, MIN_SCORES[modality], 1.0))


def similarity_score(cosine: float, modality: Modality, model: str) -> float:
    """Return the score of one pair; see `similarity_scores`."""
    return float(similarity_scores(np.array([cosine]), modality, model)[0])


def score_to_cosine(score: float, modality: Modality, model: str) -> float:
    """Return the cosine that has this score; the inverse of `similarity_score`."""
    scale = scale_for(modality, model)
    anchors = (scale.unrelated, scale.relevant, scale.strong)
    return float(np.interp(score, (0.0, MIN_SCORES[modality], 1.0), anchors))


def scale_for(modality: Modality, model: str) -> Scale:
    """Return the scale of a model, or OpenAI's if nothing is known about the model."""
    return _SCALES.get(model, _OPENAI)[modality]


# By the model's fingerprint. The bundled demo model gives 200 scenes unseen in training 0.80 to
# 1.00; half of all stripes, noise and flat colors less than 0.75. Of other models only nonsense
# is dropped.
_MIN_CAPTION_PROBABILITIES = {"0a6359c7": 0.75}
_NONSENSE_PROBABILITY = 0.05


def min_caption_probability(fingerprint: str) -> float:
    """Return the mean probability of word pieces, 0..1, below which a caption is dropped.

    fingerprint: of the captioning model's directory, see `ai.fingerprint`.
    """
    return _MIN_CAPTION_PROBABILITIES.get(fingerprint, _NONSENSE_PROBABILITY)
