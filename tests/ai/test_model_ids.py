"""Names of models: different weights have different names, and moving them changes nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ai import model_ids, vector_space, worker
from ai.engine import Engine
from ai.engine_registry import EngineRegistry
from ai.errors import ModelUnavailable
from ai.fingerprint import fingerprint
from ai.presets import PRESETS
from search.reembedding import services as reembedding
from smimso.errors import InvalidInput

pytestmark = pytest.mark.slow

WEIGHTS = "model.safetensors"
DEMO = Path("ai/demo_models/clip")


@pytest.fixture
def clip(tiny_clip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_clip, tmp_path / "one" / "clip"))


def name(directory: Path) -> str:
    return model_ids.clip_name(str(directory), "")


def change(weights: Path, tensor: str, position: int) -> None:
    state = load_file(weights)
    state[tensor].view(-1)[position] += 0.5
    save_file(state, weights, metadata={"format": "pt"})


def test_the_bundled_weights_have_the_name_of_the_demo_preset_in_any_directory(
    tmp_path: Path,
) -> None:
    """Other weights need another name, because collections hold vectors of these."""
    assert fingerprint(DEMO) == PRESETS["demo"].fingerprint
    assert name(DEMO.resolve()) == "local-dir/clip"
    copy = shutil.copytree(DEMO, tmp_path / "copy")
    assert name(copy) == "local-dir/clip"
    assert model_ids.preset_for(str(copy), "").key == "demo"


def test_another_directory_of_the_same_name_is_another_model(clip: Path) -> None:
    assert name(clip).startswith("local-dir/clip@")
    assert model_ids.preset_for(str(clip), "").key == ""


def test_the_directory_of_the_demo_preset_is_checked_against_the_preset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_ids, "fingerprint", lambda directory: "0badcafe")
    assert model_ids.clip_name("demo", "") == "local-dir/clip@0badcafe"
    assert model_ids.preset_for("demo", "").key == "demo"


@pytest.mark.parametrize(
    ("tensor", "position"),
    [("visual_projection.weight", 0), ("text_projection.weight", -1), ("logit_scale", 0)],
)
def test_further_training_makes_another_model(
    clip: Path, tmp_path: Path, tensor: str, position: int
) -> None:
    trained = shutil.copytree(clip, tmp_path / "two" / "clip")
    assert name(trained) == name(clip)
    change(trained / WEIGHTS, tensor, position)
    assert (trained / WEIGHTS).stat().st_size == (clip / WEIGHTS).stat().st_size
    assert name(trained) != name(clip)


def test_another_configuration_is_another_model(clip: Path) -> None:
    before = name(clip)
    config = clip / "config.json"
    config.write_text(config.read_text().replace("quick_gelu", "gelu"))
    assert name(clip) != before


def test_torch_weights_are_distinguished_by_their_checksums(clip: Path) -> None:
    state = load_file(clip / WEIGHTS)
    (clip / WEIGHTS).unlink()
    torch.save(state, clip / "pytorch_model.bin")
    before = name(clip)
    state["text_projection.weight"].view(-1)[1234] += 0.5
    torch.save(state, clip / "pytorch_model.bin")
    assert name(clip) != before


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", b"\x02" + bytes(7) + b"[]"])
def test_a_broken_weights_file_gets_a_name_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / WEIGHTS).write_bytes(content)
    assert name(tmp_path).startswith(f"local-dir/{tmp_path.name}")


# --- Consequences -----------------------------------------------------------------------------


def test_weights_that_do_not_match_the_stored_vectors_are_refused(
    clip: Path, make_engine: Callable[..., Engine]
) -> None:
    engine = make_engine(clip_model=str(clip), name=name(clip))
    change(clip / WEIGHTS, "text_projection.weight", 0)
    with pytest.raises(
        ModelUnavailable, match=f"the directory now contains another model, {name(clip)}"
    ):
        engine.embed_texts(["a"])


def test_without_vectors_an_engine_takes_the_name_of_the_loaded_weights(
    clip: Path, make_engine: Callable[..., Engine]
) -> None:
    engine = make_engine(clip_model=str(clip))
    change(clip / WEIGHTS, "text_projection.weight", 0)
    engine.embed_texts(["a"])
    assert engine.clip_name == name(clip)


@pytest.mark.django_db
def test_a_worker_loads_the_retrained_model_although_the_previous_one_is_gone(
    clip: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "registry", EngineRegistry())
    settings.AI_CLIP_MODEL, settings.AI_CLIP_PRETRAINED = str(clip), ""
    before = name(clip)
    vector_space.lock_columns(before)
    change(clip / WEIGHTS, "text_projection.weight", 0)
    reembedding.start(str(clip))
    searched, secondary = worker.get_engines()
    assert (searched.clip_name, secondary.clip_name) == (before, name(clip))
    with pytest.raises(ModelUnavailable, match="Put the weights back"):
        searched.embed_texts(["a"])
    assert secondary.embed_texts(["a"]).shape == (1, 512)


@pytest.mark.django_db
def test_the_collection_does_not_move_to_a_directory_without_weights(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no weights"):
        reembedding.start(str(tmp_path))
