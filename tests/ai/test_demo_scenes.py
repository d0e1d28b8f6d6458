"""The drawn world and the sentences about it."""

import random
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ai.demo_models.descriptions import caption, describe_fully
from ai.demo_models.drawing import choose_aspect_ratio, draw_scene, locate_objects
from ai.demo_models.scenes import (
    COLOURS,
    DEMO_SEEDS,
    KINDS,
    PLACES,
    TEST_SEEDS,
    TRAINING_SEEDS,
    Scene,
    SceneObject,
    choose_demo_scenes,
    has_held_out_pair,
    sample_scene,
    sample_scenes,
)

TWO_CATS = Scene(
    "beach",
    "sunset",
    "rain",
    (SceneObject("cat", "red", "small", 2), SceneObject("umbrella", "orange", "small", 1)),
    seed=5,
)


def test_the_drawn_world_is_varied() -> None:
    assert len(KINDS) >= 25
    assert len(COLOURS) >= 10
    assert len(PLACES) >= 8


def test_a_seed_always_gives_the_same_scene() -> None:
    assert sample_scene(77) == sample_scene(77)
    assert sample_scene(77).content != sample_scene(78).content


def test_training_never_shows_a_held_out_pair() -> None:
    assert not any(has_held_out_pair(scene) for scene in sample_scenes(500, TRAINING_SEEDS))


def test_scenes_with_a_held_out_pair_can_be_sampled() -> None:
    scenes = sample_scenes(20, TEST_SEEDS, held_out_pairs=True)
    assert len(scenes) == 20
    assert all(has_held_out_pair(scene) for scene in scenes)


def test_demo_scenes_are_distinct_and_unseen_in_training() -> None:
    scenes = choose_demo_scenes(40)
    assert len({scene.content for scene in scenes}) == 40
    assert all(scene.seed in DEMO_SEEDS for scene in scenes)
    assert len({KINDS[scene.main.kind].category for scene in scenes}) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_visible_in_the_picture(kind: str) -> None:
    setting = {"air": "meadow", "water": "lake"}.get(KINDS[kind].setting, "meadow")
    with_kind = Scene(setting, "day", "clear", (SceneObject(kind, "red", "large", 1),), seed=3)
    without = Scene(setting, "day", "clear", (), seed=3)
    drawn = np.asarray(draw_scene(with_kind, 160), np.float32)
    empty = np.asarray(draw_scene(without, 160), np.float32)
    assert np.abs(drawn - empty).max(-1).mean() > 3


def test_a_picture_looks_the_same_at_every_size() -> None:
    small = draw_scene(TWO_CATS, 160)
    large = draw_scene(TWO_CATS, 640).resize(small.size, Image.Resampling.BOX)
    difference = np.abs(np.asarray(small, np.float32) - np.asarray(large, np.float32))
    assert difference.mean() < 3


def test_pictures_have_the_requested_width() -> None:
    image = draw_scene(TWO_CATS, 300)
    assert (image.mode, image.width) == ("RGB", 300)
    assert image.height == pytest.approx(300 / choose_aspect_ratio(TWO_CATS), abs=1)


def test_every_object_has_a_box_inside_the_picture() -> None:
    for scene in sample_scenes(50, TEST_SEEDS):
        boxes = locate_objects(scene)
        assert [len(group) for group in boxes] == [item.count for item in scene.objects]
        for left, top, right, bottom in (box for group in boxes for box in group):
            assert -0.02 <= left < right <= 1.02
            assert -0.02 <= top < bottom <= 1.0


def test_captions_leave_out_the_usual() -> None:
    assert caption(TWO_CATS) == (
        "two small red cats and an orange umbrella on a beach at sunset in the rain"
    )


def test_descriptions_exist_in_both_languages() -> None:
    english = describe_fully(TWO_CATS, "en", random.Random(0)).text
    vietnamese = describe_fully(TWO_CATS, "vi", random.Random(0)).text
    assert "red" in english
    assert "đỏ" in vietnamese


def test_a_description_claims_what_its_text_says() -> None:
    said = describe_fully(TWO_CATS, "en", random.Random(1))
    assert (said.place, said.time, said.weather) == ("beach", "sunset", "rain")
    assert [claim.kind for claim in said.objects] == ["cat", "umbrella"]


def test_drawing_does_not_import_torch() -> None:
    code = (
        "import sys, ai.demo_models.drawing, ai.demo_models.descriptions;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
