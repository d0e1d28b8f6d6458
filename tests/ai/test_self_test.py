"""The self-test: a model that differs from its preset is refused before it is used."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.core.management import call_command
from PIL import Image
from safetensors.torch import load_file, save_file

from ai import model_ids, worker
from ai.engine import Engine, self_test
from ai.engine_registry import EngineRegistry
from ai.errors import ModelUnavailable
from ai.presets import PRESETS, Expected, Preset, preset_by_name
from tests.ai.conftest import save_clip, save_multilingual_clip

pytestmark = pytest.mark.slow

Make = Callable[..., Engine]
# An untrained network of `save_clip`: its activation is CLIP's, its scale where training begins.
EXPECTED = Expected(
    frozenset({"QuickGELU"}), image_size=32, context=77, padding=0, scale=(14.0, 15.0)
)
PRESET = Preset(key="tiny", model="", pretrained="", name="tiny", expected=EXPECTED)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = save_clip(tmp_path_factory.mktemp("models") / "right", image_size=32, patch_size=8)
    return directory


@pytest.fixture
def changed(model: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return `changed(file, change)`, which copies the model with a changed configuration file."""

    def make(file: str, change: Callable[[dict[str, Any]], None]) -> Path:
        for path in model.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        path = tmp_path / file
        values = json.loads(path.read_text()) if path.exists() else {}
        change(values)
        path.write_text(json.dumps(values))
        return tmp_path

    return make


@pytest.fixture
def golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(self_test, "GOLDEN_DIRECTORY", tmp_path / "golden")
    return tmp_path / "golden"


def load(make_engine: Make, directory: Path, preset: Preset = PRESET) -> Any:
    return make_engine(clip_model=str(directory), preset=preset).clip.get()


def refusal(make_engine: Make, directory: Path, preset: Preset = PRESET) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        load(make_engine, directory, preset)
    return str(caught.value)


def test_a_model_that_matches_its_preset_is_accepted(make_engine: Make, model: Path) -> None:
    assert load(make_engine, model).embed_texts(["a"]).shape == (1, 512)


def test_another_activation_is_refused(make_engine: Make, changed: Callable[..., Path]) -> None:
    def swap(config: dict[str, Any]) -> None:
        for tower in ("text_config", "vision_config"):
            config[tower]["hidden_act"] = "gelu"

    message = refusal(make_engine, changed("config.json", swap))
    assert "its activations must be QuickGELU, not GELU" in message


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("image_mean", [0.5, 0.5, 0.5], "mean"),
        ("image_std", [0.5, 0.5, 0.5], "standard deviation"),
        ("resample", 2, "interpolation"),
    ],
)
def test_another_preprocessing_is_refused(
    make_engine: Make, changed: Callable[..., Path], name: str, value: Any, what: str
) -> None:
    directory = changed("preprocessor_config.json", lambda config: config.update({name: value}))
    assert f"its {what} must be" in refusal(make_engine, directory)


def test_another_image_size_is_refused(make_engine: Make, tmp_path: Path) -> None:
    directory = save_clip(tmp_path / "large", image_size=64, patch_size=8)
    assert "its image size must be 32, not 64" in refusal(make_engine, directory)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"context": 64}, "number of tokens"),
        ({"padding": 1}, "padding token"),
        ({"scale": (50.0, 100.5)}, "its scale is 14.3"),
    ],
)
def test_another_tokenizer_and_an_untrained_scale_are_refused(
    make_engine: Make, model: Path, change: dict[str, Any], what: str
) -> None:
    preset = replace(PRESET, expected=replace(EXPECTED, **change))
    assert what in refusal(make_engine, model, preset)


def test_vectors_that_differ_from_the_unmodified_network_are_refused(
    make_engine: Make, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulates a preprocessing of ours that forgets the crop."""
    original = self_test.preprocess

    def preprocess_without_crop(image: Image.Image, expected: Expected) -> Any:
        return original(image.resize((240, 240)).rotate(90), expected)

    monkeypatch.setattr(self_test, "preprocess", preprocess_without_crop)
    assert "its image vectors differ from those of the unmodified network" in refusal(
        make_engine, model
    )


def test_vectors_that_differ_from_the_recorded_ones_are_refused(
    make_engine: Make, model: Path, golden: Path, tmp_path: Path
) -> None:
    self_test.record_golden(load(make_engine, model), PRESET)
    assert load(make_engine, model)
    torch.manual_seed(1)
    from transformers import CLIPModel

    other = CLIPModel.from_pretrained(model)
    torch.nn.init.normal_(other.visual_projection.weight)
    other.save_pretrained(tmp_path / "other")
    message = refusal(make_engine, tmp_path / "other")
    assert "its image vectors differ from the recorded ones" in message
    assert "other weights" in message


def test_a_model_without_a_preset_is_compared_with_its_own_files(
    make_engine: Make, changed: Callable[..., Path]
) -> None:
    directory = changed("preprocessor_config.json", lambda c: c.update({"image_mean": [0.5] * 3}))
    unnamed = Preset(key="", model="", pretrained="", name="local-dir/x")
    assert load(make_engine, directory, unnamed)


def test_the_bundled_model_is_compared_with_recorded_vectors(make_engine: Make) -> None:
    engine = make_engine(clip_model="demo", clip_pretrained="")
    assert engine.preset.key == "demo"
    recorded = self_test.read_golden(self_test.GOLDEN_DIRECTORY / "demo.json")
    assert engine.embed_images([self_test.draw_image()])[0] @ recorded.image > 0.999
    assert np.linalg.norm(recorded.texts, axis=1) == pytest.approx(1.0, abs=1e-3)


def test_a_command_records_vectors(
    make_engine: Make, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(clip_model="demo", clip_pretrained="")
    monkeypatch.setattr(worker, "registry", EngineRegistry(engine))
    out = StringIO()
    call_command("warm_models", "--record", stdout=out)
    assert f"demo: recorded in {golden / 'demo.json'}" in out.getvalue()
    assert self_test.read_golden(golden / "demo.json").texts.shape == (len(self_test.TEXTS), 512)


# --- Presets --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", PRESETS)
def test_a_preset_has_the_name_of_its_vectors(key: str) -> None:
    preset = PRESETS[key]
    assert model_ids.clip_name(key, "") == model_ids.clip_name(preset.model, preset.pretrained)
    assert preset.name == model_ids.clip_name(key, "")
    assert preset_by_name(preset.name) is preset


@pytest.mark.parametrize("key", ["openai", "laion2b", "multilingual"])
def test_a_preset_expects_what_open_clip_builds(key: str) -> None:
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    preset = PRESETS[key]
    expected = preset.expected
    assert expected is not None
    tag = get_pretrained_cfg(preset.model, preset.pretrained)
    config = open_clip.get_model_config(preset.model)
    assert (tag["mean"], tag["std"]) == (expected.mean, expected.std)
    assert (tag["interpolation"], tag["resize_mode"]) == (expected.interpolation, expected.resize)
    assert config["vision_cfg"]["image_size"] == expected.image_size
    assert config["embed_dim"] == 512
    quick = bool(config.get("quick_gelu"))
    assert ("QuickGELU" in expected.activations) == quick


# --- Each preset refuses what it is not, shown with small random networks ---------------------

DESCRIBED = ["openai", "laion2b", "multilingual"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return `small(key)`, which saves a small network of a preset with a trained scale."""

    def make(key: str, **size: int) -> Path:
        directory = tmp_path_factory.mktemp(key)
        size = {"image_size": 224, **size}
        if key == "multilingual":
            save_multilingual_clip(directory, **size)
        else:
            save_clip(directory, patch_size=32, **size)
            activate(directory, "quick_gelu" if key == "openai" else "gelu")
        (file,) = directory.glob("*.safetensors")
        state = load_file(file)
        save_file(
            {**state, "logit_scale": torch.full_like(state["logit_scale"], np.log(100))}, file
        )
        return directory

    return make


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads(path.read_text()) if path.exists() else {}
    change(values)
    path.write_text(json.dumps(values))


def activate(directory: Path, activation: str) -> None:
    def swap(config: dict[str, Any]) -> None:
        for tower in ("text_config", "vision_config"):
            config[tower]["hidden_act"] = activation

    rewrite(directory / "config.json", swap)


@pytest.mark.parametrize("key", DESCRIBED)
def test_a_network_of_its_architecture_matches_a_preset(
    key: str, small: Callable[..., Path], make_engine: Make
) -> None:
    assert load(make_engine, small(key), PRESETS[key]).embed_texts(["a"]).shape == (1, 512)


@pytest.mark.parametrize("key", DESCRIBED)
def test_a_preset_refuses_another_activation(
    key: str, small: Callable[..., Path], make_engine: Make
) -> None:
    directory = small(key)
    if key == "multilingual":
        rewrite(
            directory / "open_clip_config.json", lambda c: c["model_cfg"].update(quick_gelu=True)
        )
    else:
        activate(directory, "gelu" if key == "openai" else "quick_gelu")
    assert "its activations must be" in refusal(make_engine, directory, PRESETS[key])


@pytest.mark.parametrize("key", DESCRIBED)
def test_a_preset_refuses_another_normalization(
    key: str, small: Callable[..., Path], make_engine: Make
) -> None:
    directory = small(key)
    if key == "multilingual":
        rewrite(
            directory / "open_clip_config.json",
            lambda config: config["preprocess_cfg"].update(mean=[0.5] * 3),
        )
    else:
        rewrite(directory / "preprocessor_config.json", lambda c: c.update(image_mean=[0.5] * 3))
    assert "its mean must be" in refusal(make_engine, directory, PRESETS[key])


@pytest.mark.parametrize("key", DESCRIBED)
def test_a_preset_refuses_another_image_size(
    key: str, small: Callable[..., Path], make_engine: Make
) -> None:
    message = refusal(make_engine, small(key, image_size=192), PRESETS[key])
    assert "its image size must be 224, not 192" in message


def test_an_unknown_activation_is_refused_without_a_preset(
    small: Callable[..., Path], make_engine: Make
) -> None:
    directory = small("openai")
    activate(directory, "gelu_new")
    unnamed = Preset(key="", model="", pretrained="", name="local-dir/x")
    assert "gelu_new" in refusal(make_engine, directory, unnamed)
