"""The bundled models, on drawn scenes that their training never showed."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from ai.demo_models.descriptions import describe_fully
from ai.demo_models.drawing import draw_scene
from ai.demo_models.evaluate import evaluate_captions
from ai.demo_models.scenes import VALIDATION_SEEDS, Scene, sample_scenes
from ai.engine import Engine
from ai.repetition import is_repetitive

pytestmark = pytest.mark.slow
HeldOut = tuple[list[Scene], list[Image.Image]]


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    scenes = sample_scenes(60, VALIDATION_SEEDS)
    return scenes, [draw_scene(scene, 480) for scene in scenes]


@pytest.fixture(scope="module")
def bundled(make_engine: Callable[..., Engine]) -> Engine:
    return make_engine(clip_model="local-dir:ai/demo_models/clip")


@pytest.mark.parametrize("language", ["en", "vi"])
def test_the_bundled_clip_finds_unseen_pictures_by_their_descriptions(
    bundled: Engine, held_out: HeldOut, language: str
) -> None:
    scenes, images = held_out
    rng = random.Random(0)
    texts = [describe_fully(scene, language, rng).text for scene in scenes]
    similarities = bundled.embed_texts(texts) @ bundled.embed_images(images).T
    is_first = similarities.argmax(1) == np.arange(len(scenes))
    assert is_first.mean() >= 0.8


def test_vietnamese_needs_no_accents(bundled: Engine) -> None:
    typed, bare = bundled.embed_texts(
        ["hai con mèo đỏ trên bãi biển", "hai con meo do tren bai bien"]
    )
    np.testing.assert_allclose(typed, bare, atol=1e-5)


def test_the_bundled_blip_names_the_main_object_and_its_colour(
    bundled: Engine, held_out: HeldOut
) -> None:
    scenes, images = held_out
    captions = bundled.caption_images(images, max_new_tokens=30)
    right = evaluate_captions(scenes, captions)["caption: main object and colour named"]
    assert right >= 0.85
    assert "" not in captions


def test_the_bundled_blip_says_nothing_about_pictures_that_it_cannot_read(bundled: Engine) -> None:
    purple, green = np.array([120, 40, 160]), np.array([40, 160, 80])
    stripes = np.tile(np.repeat([purple, green], 64, axis=0), (4, 1)).astype(np.uint8)
    pictures = [np.tile(stripes[:, None], (1, 512, 1)), np.tile(stripes[None], (512, 1, 1))]
    captions = bundled.caption_images([Image.fromarray(picture) for picture in pictures])
    assert not any(is_repetitive(caption) for caption in captions if caption)
