"""Calibration of cosines to scores: by the model's scale, and per query by a sample.

The collections are made like OpenAI's space: images in a cone, around motifs, and texts apart from
them. Unrelated texts have cosines of 0.10 to 0.22 to an image, matching ones of 0.24 to 0.34.
"""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from accounts.models import User
from ai.calibration import MIN_SCORES, Modality, scale_for, similarity_scores
from ai.presets import PRESETS
from posts.models import Post
from search.score_calibration import (
    PRIOR_STRENGTH,
    SAMPLE_SIZE,
    CollectionSample,
    calibrated_scores,
    get_sample,
)
from tests.search.conftest import MODEL, clustered, insert_many, pointing

OPENAI, DEMO = PRESETS["openai"].name, PRESETS["demo"].name
MODELS = [*(preset.name for preset in PRESETS.values()), "never/measured"]
COUNTS = [10, PRIOR_STRENGTH - 1, PRIOR_STRENGTH, PRIOR_STRENGTH + 1, 1_000]
COSINES = np.linspace(-1, 1, 2_001)
MOTIFS, SIDE = 40, 512
CONE, OTHERS = 0, slice(1 + MOTIFS, SIDE)  # axes: the cone's, one of each motif, the rest


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def noise(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Return unit vectors on the axes that neither the cone nor a motif uses."""
    drawn = np.zeros((*shape, SIDE))
    drawn[..., OTHERS] = random.normal(size=(*shape, SIDE - 1 - MOTIFS))
    return unit(drawn)


def images(motifs: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return [n, 512] with cosines of about 0.5 to each other, 0.8 within a motif."""
    vectors = np.sqrt(0.2) * noise(np.random.default_rng(seed), len(motifs))
    vectors[:, CONE] = np.sqrt(0.5)
    vectors[np.arange(len(motifs)), 1 + motifs] = np.sqrt(0.3)
    return unit(vectors)


def text(motif: int | None, *, unrelated: float = 0.16, match: float = 0.29) -> np.ndarray:
    """Return [512] with these mean cosines to unrelated images and to those of its motif."""
    vector = np.zeros(SIDE)
    vector[CONE] = unrelated / np.sqrt(0.5)
    if motif is not None:
        vector[1 + motif] = (match - unrelated) / np.sqrt(0.3)
    rest = np.sqrt(1 - vector @ vector)
    return unit(vector + rest * noise(np.random.default_rng(7)))


def motifs(count: int, *, share: float, seed: int = 0) -> np.ndarray:
    """Return [n] motifs: this share of them, at least one, is motif 0."""
    others = np.random.default_rng(seed).integers(1, MOTIFS, count)
    return np.where(np.arange(count) < max(1, round(share * count)), 0, others)


def scored(vector: np.ndarray, collection: np.ndarray, kind: Modality = "text") -> np.ndarray:
    cosines, sample = collection @ vector, CollectionSample(collection[:SAMPLE_SIZE])
    return calibrated_scores(cosines, vector, modality=kind, model=OPENAI, sample=sample)


def cut(vector: np.ndarray, kind: Modality, model: str, sample: CollectionSample) -> float:
    """Return the lowest cosine that counts as relevant."""
    found = calibrated_scores(COSINES, vector, modality=kind, model=model, sample=sample)
    return float(COSINES[found >= MIN_SCORES[kind]][0])


@pytest.mark.parametrize("kind", get_args(Modality))
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("count", [0, 1, *COUNTS])
def test_scores_are_within_0_and_1_and_rise_with_the_cosine(
    kind: Modality, model: str, count: int
) -> None:
    sample = CollectionSample(images(motifs(count, share=0.1)))
    found = calibrated_scores(COSINES, text(0), modality=kind, model=model, sample=sample)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()
    assert found[-1] > MIN_SCORES[kind] > found[0]


@pytest.mark.parametrize("count", [0, 1])
def test_without_a_sample_the_models_scale_has_to_do(count: int) -> None:
    sample = CollectionSample(images(motifs(count, share=1.0)))
    found = calibrated_scores(COSINES, text(0), modality="text", model=OPENAI, sample=sample)
    assert (found == similarity_scores(COSINES, "text", OPENAI)).all()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("share", [0.01, 0.1])
def test_what_is_relevant_is_found_and_little_else(count: int, share: float) -> None:
    shown = motifs(count, share=share)
    found = scored(text(0), images(shown)) >= MIN_SCORES["text"]
    assert found[shown == 0].mean() >= 0.95
    assert found[shown != 0].mean() <= 0.03


@pytest.mark.parametrize("count", COUNTS)
def test_what_half_of_the_collection_shows_is_not_cut_away(count: int) -> None:
    shown = motifs(count, share=0.5)
    found = scored(text(0), images(shown)) >= MIN_SCORES["text"]
    assert found[shown == 0].mean() >= 0.95


@pytest.mark.parametrize("count", COUNTS)
def test_what_all_of_the_collection_shows_is_still_found(count: int) -> None:
    found = scored(text(0), images(motifs(count, share=1.0))) >= MIN_SCORES["text"]
    assert found.mean() >= 0.9


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("unrelated", [0.14, 0.17, 0.2])
def test_nonsense_finds_few_or_none(count: int, unrelated: float) -> None:
    collection = images(motifs(count, share=0.1))
    found = scored(text(None, unrelated=unrelated), collection) >= MIN_SCORES["text"]
    assert found.mean() <= (0.01 if count == 1_000 else 0.05) or found.sum() <= 1


def test_a_query_to_which_all_images_are_about_as_near_is_trusted_less() -> None:
    """The demo model, for which nonsense has half of the usual spread."""
    vector, scale = np.eye(SIDE)[0], scale_for("text", DEMO)
    wide, narrow = (
        CollectionSample(
            np.array([[side, np.sqrt(1 - side**2), *np.zeros(SIDE - 2)]] * 250).repeat(2, 0)
        )
        for side in (scale.spread, scale.spread / 2)
    )
    for sample in (wide, narrow):
        sample.vectors[::2, 0] *= -1
    assert cut(vector, "text", DEMO, narrow) > cut(vector, "text", DEMO, wide) + 0.1


@pytest.mark.parametrize("count", COUNTS)
def test_a_picture_finds_its_likes_only(count: int) -> None:
    shown = motifs(count, share=0.1)
    picture = images(np.zeros(1, int), seed=99)[0]
    found = scored(picture, images(shown), "image") >= MIN_SCORES["image"]
    assert found[shown == 0].all()
    assert not found[shown != 0].any()


@pytest.mark.parametrize("kind", get_args(Modality))
@pytest.mark.parametrize("model", MODELS)
def test_no_number_of_images_moves_the_cut_at_once(kind: Modality, model: str) -> None:
    vector, collection = text(0), images(motifs(1_000, share=0.1, seed=3)[::-1])
    cuts = [
        cut(vector, kind, model, CollectionSample(collection[:count])) for count in range(0, 200)
    ]
    scale = scale_for(kind, model)
    assert np.abs(np.diff(cuts)).max() <= 0.1 * scale.spread
    assert cuts[0] == pytest.approx(scale.relevant, abs=0.001)


@pytest.mark.parametrize("model", [model for model in MODELS if model != DEMO])
def test_a_matching_text_is_relevant_in_small_and_large_collections(model: str) -> None:
    """0.27 is an ordinary match, 0.15 is none; the demo's cosines spread six times as widely."""
    for count in COUNTS:
        sample = CollectionSample(images(motifs(count, share=0.1)))
        match, other = calibrated_scores(
            np.array([0.27, 0.15]), text(0), modality="text", model=model, sample=sample
        )
        assert match >= MIN_SCORES["text"] > other


@pytest.mark.django_db
def test_the_sample_is_of_one_model_and_kept_for_a_while(owner: User) -> None:
    insert_many(owner, clustered(120), ["public", "private"])
    first = get_sample(MODEL)
    assert first.vectors.shape == (120, 512)
    assert np.linalg.norm(first.vectors, axis=1) == pytest.approx(np.ones(120), abs=1e-3)
    assert get_sample(MODEL) is first
    assert len(get_sample("another/model").vectors) == 0


@pytest.mark.django_db
def test_a_growing_collection_is_sampled_anew(vector_post: Callable[..., Post]) -> None:
    vector_post(pointing(1))
    assert len(get_sample(MODEL).vectors) == 1
    vector_post(pointing(1))
    assert len(get_sample(MODEL).vectors) == 2
