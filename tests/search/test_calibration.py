"""What a cosine is worth: on the model's scale, and for each query by a sample."""

from collections.abc import Callable

import numpy as np
import pytest

from accounts.models import User
from ai.calibration import similarity_score
from posts.models import Post
from search import relevance
from search.relevance import LEAST_SAMPLE, LEAST_SCORES, Sample, sample_of, scores
from tests.search.conftest import MODEL, clustered, insert_many, pointing

DEMO = "local-dir/clip"
COSINES = np.linspace(-1, 1, 201)
QUERY = np.asarray(pointing(1))


def sample(spread: float, count: int = 500) -> Sample:
    """Vectors whose cosines to QUERY have this standard deviation."""
    vectors = np.zeros((count, 512), np.float32)
    vectors[:, 0] = np.where(np.arange(count) % 2, spread, -spread)
    vectors[:, 1] = np.sqrt(1 - spread**2)
    return Sample(vectors)


@pytest.mark.parametrize("kind", ["text", "image"])
@pytest.mark.parametrize("model", [DEMO, "ViT-B-32-quickgelu/openai", "never/measured"])
@pytest.mark.parametrize("count", [0, LEAST_SAMPLE - 1, LEAST_SAMPLE, 500])
def test_scores_are_within_0_and_1_and_rise_with_the_cosine(
    kind: relevance.Kind, model: str, count: int
) -> None:
    found = scores(COSINES, QUERY, kind=kind, model=model, sample=sample(0.1, count))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()
    assert found[-1] > LEAST_SCORES[kind] > found[0]


def test_a_small_collection_is_read_on_the_models_own_scale() -> None:
    found = scores(COSINES, QUERY, kind="text", model=DEMO, sample=sample(0.1, LEAST_SAMPLE - 1))
    assert found.tolist() == [similarity_score(float(c), "text", DEMO) for c in COSINES]


def test_a_query_to_which_all_images_are_about_as_near_is_trusted_less() -> None:
    cosines = np.array([0.4])
    telling = scores(cosines, QUERY, kind="text", model=DEMO, sample=sample(0.15))
    nonsense = scores(cosines, QUERY, kind="text", model=DEMO, sample=sample(0.07))
    assert telling[0] > 0.3 > nonsense[0]


@pytest.mark.django_db
def test_the_sample_is_of_one_model_and_kept_for_a_while(owner: User) -> None:
    insert_many(owner, clustered(120), ["public", "private"])
    first = sample_of(MODEL)
    assert first.vectors.shape == (120, 512)
    assert np.linalg.norm(first.vectors, axis=1) == pytest.approx(np.ones(120), abs=1e-3)
    assert sample_of(MODEL) is first
    assert len(sample_of("another/model").vectors) == 0


@pytest.mark.django_db
def test_a_growing_collection_is_sampled_anew(vector_post: Callable[..., Post]) -> None:
    vector_post(pointing(1))
    assert len(sample_of(MODEL).vectors) == 1
    vector_post(pointing(1))
    assert len(sample_of(MODEL).vectors) == 2
