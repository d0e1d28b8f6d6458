"""What a cosine means. Clients send fixed thresholds (0.3 for text, 0.25 for images), but the
cosine of a good match differs from model to model, and between texts and images within one."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "image"]


@dataclass(frozen=True)
class Scale:
    """low: the cosine of an unrelated pair (score 0). high: of a strong match (score 1)."""

    low: float
    high: float


# OpenAI's ViT-B/32: matching texts and images have cosines of 0.2 to 0.35. The image scale is an
# estimate: unrelated photographs lie around 0.45 to 0.6.
_DEFAULT: dict[Kind, Scale] = {"text": Scale(0.15, 0.35), "image": Scale(0.45, 0.95)}
_SCALES: dict[str, dict[Kind, Scale]] = {
    "ViT-B-32-quickgelu/openai": _DEFAULT,
    # The bundled demo model, measured by benchmarks/calibration.py on scenes unseen in training.
    "local-dir/clip": {"text": Scale(-0.07, 0.55), "image": Scale(0.14, 0.99)},
}


def similarity_score(cosine: float, kind: Kind, model: str) -> float:
    """How well a pair matches, 0..1: linear between the model's `low` and `high`, else clamped.

    cosine: -1..1, of a text and an image (kind "text") or of two images. model: a `clip_name()`;
    one that was never measured is read on the default scale.
    """
    scale = scale_of(kind, model)
    return max(0.0, min(1.0, (cosine - scale.low) / (scale.high - scale.low)))


def scale_of(kind: Kind, model: str) -> Scale:
    return _SCALES.get(model, _DEFAULT)[kind]
