"""Calibrated scores, which the frontend compares with fixed thresholds."""

from typing import get_args

import pytest

from ai.calibration import (
    _SCALES,
    MIN_SCORES,
    Modality,
    scale_for,
    score_to_cosine,
    similarity_score,
)
from ai.presets import PRESETS

MODELS = [*_SCALES, "never/measured"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", get_args(Modality))
def test_scores_rise_with_the_cosine_from_zero_to_one(model: str, kind: Modality) -> None:
    scores = [similarity_score(step / 50 - 1, kind, model) for step in range(101)]
    assert scores == sorted(scores)
    assert scores[0] == 0.0
    assert scores[-1] == 1.0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", get_args(Modality))
def test_a_barely_relevant_image_gets_the_minimum_score(model: str, kind: Modality) -> None:
    scale = scale_for(kind, model)
    assert -1 <= scale.unrelated < scale.relevant < scale.strong <= 1
    assert similarity_score(scale.relevant, kind, model) == pytest.approx(MIN_SCORES[kind])


@pytest.mark.parametrize("preset", ["openai", "laion2b", "multilingual"])
def test_each_preset_has_a_scale_of_its_own(preset: str) -> None:
    assert PRESETS[preset].name in _SCALES


def test_a_typical_match_of_the_openai_model_passes_the_thresholds_of_the_frontend() -> None:
    model = "ViT-B-32-quickgelu/openai"
    assert similarity_score(0.27, "text", model) >= 0.3
    assert similarity_score(0.18, "text", model) < 0.3
    assert similarity_score(0.80, "image", model) >= 0.25
    assert similarity_score(0.50, "image", model) < 0.25


def test_a_score_and_its_cosine_convert_into_each_other() -> None:
    for score in (0.0, 0.25, 0.6, 1.0):
        cosine = score_to_cosine(score, "image", "local-dir/clip")
        assert similarity_score(cosine, "image", "local-dir/clip") == pytest.approx(score)
