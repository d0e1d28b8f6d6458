"""The engine's own layers against the networks of open_clip and transformers that they replace."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BlipConfig, BlipForConditionalGeneration
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from ai.demo_models.drawing import draw_scene
from ai.demo_models.evaluate import evaluate_captions
from ai.demo_models.scenes import VALIDATION_SEEDS, sample_scenes
from ai.engine import Engine, decoder
from ai.engine.blip import load_blip
from ai.engine.int8 import Int8Tower
from ai.engine.layers import PackedLinear
from ai.engine.precision import cpu_has_int8
from ai.engine.towers import VisionTower

DEMO_BLIP = "ai/demo_models/blip"
CPU = torch.device("cpu")
UNSHARED = ["unshare", "--map-root-user", "--mount", "sh", "-c"]  # mounts that end with it
needs_int8 = pytest.mark.skipif(
    not cpu_has_int8(), reason="the processor has no AVX-512 VNNI and BF16"
)


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    mounted = [*UNSHARED, "mount -t tmpfs none /tmp"]
    return subprocess.run(mounted, capture_output=True, check=False).returncode == 0


@torch.inference_mode()
def test_captions_are_those_of_transformers(
    make_engine: Callable[..., Engine], pictures: list[Image.Image]
) -> None:
    network = BlipForConditionalGeneration.from_pretrained(DEMO_BLIP, local_files_only=True).eval()
    processor = BlipImageProcessorPil.from_pretrained(DEMO_BLIP, local_files_only=True)
    pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
    tokens = network.generate(pixel_values=pixels, max_new_tokens=30, num_beams=1, do_sample=False)
    blip = make_engine().blip.get()
    expected = blip.tokenizer.batch_decode(tokens, skip_special_tokens=True)
    assert blip.caption_images(pictures, 30) == [text.strip() for text in expected]
    assert len(set(expected)) > 1


@torch.inference_mode()
def test_image_states_are_those_of_transformers(
    make_engine: Callable[..., Engine], pictures: list[Image.Image]
) -> None:
    network = BlipForConditionalGeneration.from_pretrained(DEMO_BLIP, local_files_only=True).eval()
    processor = BlipImageProcessorPil.from_pretrained(DEMO_BLIP, local_files_only=True)
    pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
    expected = network.vision_model(pixel_values=pixels).last_hidden_state
    blip = make_engine().blip.get()
    found = blip.vision(blip.upload([p.resize(blip.size, blip.resample) for p in pictures]))
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-3)


def test_a_text_does_not_depend_on_the_longer_ones_beside_it(tiny_engine: Engine) -> None:
    texts = ["a", "a small boat", "word " * 100, "hai con mèo trên ghế"]
    together = tiny_engine.embed_texts(texts)
    alone = np.concatenate([tiny_engine.embed_texts([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_blip_without_some_of_its_weights_is_refused(
    make_engine: Callable[..., Engine], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    from ai.errors import ModelUnavailable

    for file in Path(DEMO_BLIP).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = load_file(tmp_path / "model.safetensors")
    del state["vision_model.encoder.layers.0.mlp.fc1.weight"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(ModelUnavailable, match=r"layers\.0\.mlp\.fc1\.weight"):
        make_engine(blip_model=str(tmp_path)).caption_images([Image.new("RGB", (9, 9))])


@pytest.mark.parametrize("activation", ["none", "gelu", "swish"])
@torch.inference_mode()
def test_a_packed_layer_computes_what_the_plain_one_does(activation: str) -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(96, 64) / 8, torch.randn(96), torch.randn(2, 5, 64)
    expected = PackedLinear(weight, bias, activation)(x)
    half = PackedLinear(weight.bfloat16(), bias.bfloat16(), activation)
    assert half.packed
    torch.testing.assert_close(half(x.bfloat16()).float(), expected, atol=0.05, rtol=0.02)


@torch.inference_mode()
def test_a_decoder_stops_at_its_longest_text(make_engine: Callable[..., Engine]) -> None:
    """Never past the positions that it was trained with."""
    blip = make_engine().blip.get()
    longest = BlipConfig.from_pretrained(DEMO_BLIP).text_config.max_position_embeddings
    states = blip.vision(torch.zeros(1, *blip.size[::-1], 3, dtype=torch.uint8))
    (row,) = blip.decoder.generate(states, max_new_tokens=500, min_new_tokens=500)
    assert len(row) == longest - 1


@torch.inference_mode()
def test_a_decoder_that_asks_seldom_whether_all_is_said_says_the_same(
    make_engine: Callable[..., Engine],
    pictures: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on CUDA, where each question waits for the device."""
    blip = make_engine().blip.get()
    expected = blip.caption_images(pictures, 30)
    monkeypatch.setitem(decoder.EOS_CHECK_INTERVAL, "cpu", 4)
    assert blip.caption_images(pictures, 30) == expected
    assert blip.caption_images(pictures, 2) == [" ".join(c.split()[:2]) for c in expected]


@needs_int8
def test_captions_in_int8_are_those_of_full_precision(make_engine: Callable[..., Engine]) -> None:
    images = [draw_scene(scene, 320) for scene in sample_scenes(50, VALIDATION_SEEDS)]
    engine = make_engine(dtype="int8")
    assert isinstance(engine.blip.get().vision, Int8Tower)
    found, expected = engine.caption_images(images), make_engine().caption_images(images)
    assert np.mean([a == b for a, b in zip(found, expected, strict=True)]) >= 0.96
    assert engine.caption_images(images[7:8]) == found[7:8]


@needs_int8
@torch.inference_mode()
def test_states_in_int8_are_in_the_order_of_the_images(
    make_engine: Callable[..., Engine], pictures: list[Image.Image]
) -> None:
    exact, int8 = make_engine().blip.get(), make_engine(dtype="int8").blip.get()
    pixels = exact.upload([p.resize(exact.size, exact.resample) for p in pictures])
    expected, found = exact.states(pixels), int8.states(pixels)
    assert found.dtype == torch.bfloat16
    cosines = torch.cosine_similarity(found.float(), expected, dim=-1).mean(dim=1)
    assert (cosines > 0.995).all()
    assert torch.equal(int8.states(pixels[-1:]), found[-1:])


@needs_int8
def test_a_tower_that_int8_would_spoil_stays_in_bf16(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A weight a thousand times the others' size, of what is always 0, leaves these no step."""
    from safetensors.torch import load_file, save_file

    for file in Path(DEMO_BLIP).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = load_file(tmp_path / "model.safetensors")
    layer = "vision_model.encoder.layers.0."
    state[layer + "layer_norm2.weight"][0] = state[layer + "layer_norm2.bias"][0] = 0
    state[layer + "mlp.fc1.weight"][:, 0] = 1000
    save_file(state, tmp_path / "model.safetensors")
    with caplog.at_level("INFO", logger="ai.engine.int8"):
        blip = load_blip(str(tmp_path), device=CPU, dtype="int8")
    assert isinstance(blip.vision, VisionTower)
    assert blip.dtype_name == "bf16"
    assert "bf16 is used instead" in caplog.text


@needs_int8
@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (7, 1), (8, 2)])
@torch.inference_mode()
def test_int8_looks_at_a_picture_for_every_four_threads_at_once(
    threads: int, at_once: int, make_engine: Callable[..., Engine], pictures: list[Image.Image]
) -> None:
    before = torch.get_num_threads()
    expected = make_engine(dtype="int8").blip.get()
    torch.set_num_threads(threads)
    try:
        found = load_blip(DEMO_BLIP, device=CPU, dtype="int8")
    finally:
        torch.set_num_threads(before)
    assert isinstance(found.vision, Int8Tower)
    settings = found.vision._compiled
    cores = len(os.sched_getaffinity(0))  # OpenVINO takes no more
    assert settings.get_property("NUM_STREAMS") == min(at_once, cores)
    assert settings.get_property("INFERENCE_NUM_THREADS") == min(threads, cores)
    pixels = found.upload([p.resize(found.size, found.resample) for p in pictures])
    torch.testing.assert_close(found.states(pixels), expected.states(pixels))


def test_with_a_full_tmp_blip_computes_in_bf16(tmp_path: Path) -> None:
    """A file with holes would be mapped all the same, and writing to it would end the worker."""
    if not can_mount():
        pytest.skip("no file system can be mounted here")
    program = (
        "import django; django.setup(); import torch; from ai.engine.blip import load_blip;"
        f"print(load_blip({DEMO_BLIP!r}, device=torch.device('cpu'), dtype='int8').dtype_name)"
    )
    small = f'mount -t tmpfs -o size=64k none "{tmp_path}" && exec "$@"'
    found = subprocess.run(
        [*UNSHARED, small, "sh", sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "bf16"
    assert "No space left on device" in found.stderr


def test_without_openvino_blip_computes_in_bf16(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "ai.engine.int8", raising=False)
    blip = load_blip(DEMO_BLIP, device=CPU, dtype="int8")
    assert blip.dtype_name == "bf16"
    assert "bf16 is used instead" in caplog.text
    assert blip.caption_images([Image.new("RGB", (9, 9))], 5) != [""]


def test_openvino_tells_nobody_that_it_is_used(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import ai.engine.int8"],
        env={**os.environ, "HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "smimso.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert list(tmp_path.iterdir()) == []


def test_beams_give_one_caption_per_image_that_names_what_it_shows(
    make_engine: Callable[..., Engine],
) -> None:
    scenes = sample_scenes(12, VALIDATION_SEEDS)
    images = [draw_scene(scene, 320) for scene in scenes]
    captions = make_engine(beams=3).caption_images(images)
    assert len(captions) == len(images)
    assert evaluate_captions(scenes, captions)["caption: main object and colour named"] >= 0.75
