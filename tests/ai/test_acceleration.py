"""Accelerated networks compared with those of open_clip and transformers that they replace."""

import ai.engine  # noqa: F401 - declares operators that torchvision needs

# ruff: isort: split
import json
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
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BlipConfig, BlipForConditionalGeneration
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from ai.demo_models.drawing import draw_scene
from ai.demo_models.evaluate import evaluate_captions
from ai.demo_models.scenes import VALIDATION_SEEDS, sample_scenes
from ai.engine import Engine, transformers_clip
from ai.engine.acceleration import accelerate_clip
from ai.engine.acceleration.decoder import EOS_CHECK_INTERVAL, GreedyDecoder
from ai.engine.acceleration.int8 import Int8Tower
from ai.engine.acceleration.layers import Activation, PackedLinear
from ai.engine.acceleration.reference import GenerateDecoder, NormalizedTower
from ai.engine.acceleration.towers import TextTower, VisionTower
from ai.engine.adaptive_batch import DeviceTransfer
from ai.engine.blip import Blip, load_blip
from ai.engine.precision import cpu_has_int8
from ai.errors import ModelUnavailable
from ai.presets import OPENAI_MEAN, OPENAI_STD
from ai.repetition import NO_REPEAT_NGRAM

pytestmark = pytest.mark.slow

DEMO_BLIP = "ai/demo_models/blip"
CPU = torch.device("cpu")
UNSHARED = [
    "unshare",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
]  # runs a command with mounts of its own
needs_int8 = pytest.mark.skipif(
    not cpu_has_int8(), reason="the processor has no AVX-512 VNNI and BF16"
)


def copy_blip(directory: Path) -> None:
    for file in Path(DEMO_BLIP).iterdir():
        (directory / file.name).write_bytes(file.read_bytes())


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    mounted = [*UNSHARED, "mount -t tmpfs none /tmp"]
    return subprocess.run(mounted, capture_output=True, check=False).returncode == 0


def generate_with_transformers(directory: Path, pictures: list[Image.Image]) -> list[str]:
    network = BlipForConditionalGeneration.from_pretrained(directory, local_files_only=True).eval()
    processor = BlipImageProcessorPil.from_pretrained(directory, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
    tokens = network.generate(
        pixel_values=pixels,
        max_new_tokens=30,
        num_beams=1,
        do_sample=False,
        no_repeat_ngram_size=NO_REPEAT_NGRAM,
    )
    return [text.strip() for text in tokenizer.batch_decode(tokens, skip_special_tokens=True)]


def texts(blip: Blip, pictures: list[Image.Image], length: int) -> list[str]:
    return [caption.text for caption in blip.caption_images(pictures, length)]


def prepare(blip: Blip, pictures: list[Image.Image]) -> torch.Tensor:
    return blip.transfer([picture.resize(blip.size, blip.resample) for picture in pictures])


@torch.inference_mode()
def test_captions_match_transformers(
    make_engine: Callable[..., Engine], pictures: list[Image.Image]
) -> None:
    blip = make_engine().blip.get()
    assert isinstance(blip.decoder, GreedyDecoder)
    expected = generate_with_transformers(Path(DEMO_BLIP), pictures)
    assert texts(blip, pictures, 30) == expected
    assert len(set(expected)) > 1


@torch.inference_mode()
def test_image_states_match_transformers(
    make_engine: Callable[..., Engine], pictures: list[Image.Image]
) -> None:
    network = BlipForConditionalGeneration.from_pretrained(DEMO_BLIP, local_files_only=True).eval()
    processor = BlipImageProcessorPil.from_pretrained(DEMO_BLIP, local_files_only=True)
    pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
    expected = network.vision_model(pixel_values=pixels).last_hidden_state
    blip = make_engine().blip.get()
    states = blip.encode_images(prepare(blip, pictures))
    torch.testing.assert_close(states, expected, atol=2e-3, rtol=1e-3)


@torch.inference_mode()
def test_a_blip_with_other_activations_is_computed_by_transformers(
    tmp_path: Path, pictures: list[Image.Image]
) -> None:
    copy_blip(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["vision_config"]["hidden_act"] = "quick_gelu"
    config["text_config"]["hidden_act"] = "relu"
    (tmp_path / "config.json").write_text(json.dumps(config))
    blip = load_blip(str(tmp_path), device=CPU, dtype="fp32")
    assert isinstance(blip.encode_images, NormalizedTower)
    assert isinstance(blip.decoder, GenerateDecoder)
    expected = generate_with_transformers(tmp_path, pictures)
    assert texts(blip, pictures, 30) == expected
    assert expected != generate_with_transformers(Path(DEMO_BLIP), pictures)


@torch.inference_mode()
def test_clip_encoders_match_the_unmodified_network(
    tiny_clip: Path, pictures: list[Image.Image]
) -> None:
    network, tokenizer, _ = transformers_clip.load(tiny_clip, CPU, "fp32")
    other, _, _ = transformers_clip.load(tiny_clip, CPU, "fp32")
    reference = NormalizedTower(network.visual, OPENAI_MEAN, OPENAI_STD, torch.float32)
    pixels = DeviceTransfer(CPU)([picture.resize((32, 32)) for picture in pictures])
    tokens = tokenizer(["a", "a small boat", "word " * 100, "hai con mèo trên ghế"])
    encode_images, encode_texts = accelerate_clip(other, OPENAI_MEAN, OPENAI_STD, torch.float32)
    assert isinstance(encode_images, VisionTower)
    assert isinstance(encode_texts, TextTower)
    torch.testing.assert_close(encode_images(pixels), reference(pixels), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        encode_texts(tokens), network.encode_text(tokens), atol=1e-4, rtol=1e-4
    )


def test_a_text_vector_does_not_depend_on_longer_texts_of_its_batch(tiny_engine: Engine) -> None:
    texts = ["a", "a small boat", "word " * 100, "hai con mèo trên ghế"]
    together = tiny_engine.embed_texts(texts)
    alone = np.concatenate([tiny_engine.embed_texts([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_blip_without_some_of_its_weights_is_refused(
    make_engine: Callable[..., Engine], tmp_path: Path
) -> None:
    copy_blip(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    del state["vision_model.encoder.layers.0.mlp.fc1.weight"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(ModelUnavailable, match=r"layers\.0\.mlp\.fc1\.weight"):
        make_engine(blip_model=str(tmp_path)).caption_images([Image.new("RGB", (9, 9))])


@pytest.mark.parametrize("activation", ["none", "gelu", "swish"])
@torch.inference_mode()
def test_a_packed_layer_computes_the_same_as_a_plain_one(activation: Activation) -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(96, 64) / 8, torch.randn(96), torch.randn(2, 5, 64)
    expected = PackedLinear(weight, bias, activation)(x)
    half = PackedLinear(weight.bfloat16(), bias.bfloat16(), activation)
    assert half.is_packed
    torch.testing.assert_close(half(x.bfloat16()).float(), expected, atol=0.05, rtol=0.02)


@torch.inference_mode()
def test_a_decoder_stops_after_its_last_position(make_engine: Callable[..., Engine]) -> None:
    blip = make_engine().blip.get()
    positions = BlipConfig.from_pretrained(DEMO_BLIP).text_config.max_position_embeddings
    states = blip.encode_images(torch.zeros(1, *blip.size[::-1], 3, dtype=torch.uint8))
    (text,) = blip.decoder.generate(states, max_new_tokens=500, min_new_tokens=500)
    assert len(text.tokens) == positions - 1


@torch.inference_mode()
def test_captions_do_not_depend_on_how_often_their_end_is_checked(
    make_engine: Callable[..., Engine],
    pictures: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On CUDA the check is rare, because it waits for the device."""
    blip = make_engine().blip.get()
    expected = texts(blip, pictures, 30)
    monkeypatch.setitem(EOS_CHECK_INTERVAL, "cpu", 4)
    assert texts(blip, pictures, 30) == expected
    assert texts(blip, pictures, 2) == [" ".join(c.split()[:2]) for c in expected]


@needs_int8
def test_captions_in_int8_match_full_precision(make_engine: Callable[..., Engine]) -> None:
    images = [draw_scene(scene, 320) for scene in sample_scenes(50, VALIDATION_SEEDS)]
    engine = make_engine(dtype="int8")
    assert engine.blip.get().dtype_name == "int8"
    captions, expected = engine.caption_images(images), make_engine().caption_images(images)
    assert np.mean([a == b for a, b in zip(captions, expected, strict=True)]) >= 0.96
    assert engine.caption_images(images[7:8]) == captions[7:8]


@needs_int8
@torch.inference_mode()
def test_states_in_int8_are_in_the_order_of_the_images(
    make_engine: Callable[..., Engine], pictures: list[Image.Image]
) -> None:
    exact, int8 = make_engine().blip.get(), make_engine(dtype="int8").blip.get()
    pixels = prepare(exact, pictures)
    expected, states = exact.encode_images(pixels), int8.encode_images(pixels)
    assert states.dtype == torch.bfloat16
    cosines = torch.cosine_similarity(states.float(), expected, dim=-1).mean(dim=1)
    assert (cosines > 0.995).all()
    assert torch.equal(int8.encode_images(pixels[-1:]), states[-1:])


@needs_int8
def test_a_tower_that_loses_accuracy_in_int8_stays_in_bf16(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A huge weight, for an input that is always 0, leaves no steps for the other weights."""
    copy_blip(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    layer = "vision_model.encoder.layers.0."
    state[layer + "layer_norm2.weight"][0] = state[layer + "layer_norm2.bias"][0] = 0
    state[layer + "mlp.fc1.weight"][:, 0] = 1000
    save_file(state, tmp_path / "model.safetensors")
    with caplog.at_level("INFO", logger="ai.engine.acceleration.int8"):
        blip = load_blip(str(tmp_path), device=CPU, dtype="int8")
    assert blip.dtype_name == "bf16"
    assert "bf16 is used instead" in caplog.text


@needs_int8
@pytest.mark.parametrize(("threads", "streams"), [(1, 1), (7, 1), (8, 2)])
@torch.inference_mode()
def test_int8_encodes_one_image_at_a_time_per_four_threads(
    threads: int, streams: int, make_engine: Callable[..., Engine], pictures: list[Image.Image]
) -> None:
    before = torch.get_num_threads()
    expected = make_engine(dtype="int8").blip.get()
    torch.set_num_threads(threads)
    try:
        blip = load_blip(DEMO_BLIP, device=CPU, dtype="int8")
    finally:
        torch.set_num_threads(before)
    assert isinstance(blip.encode_images, Int8Tower)
    settings = blip.encode_images.compiled
    cores = len(os.sched_getaffinity(0))  # the maximum for OpenVINO
    assert settings.get_property("NUM_STREAMS") == min(streams, cores)
    assert settings.get_property("INFERENCE_NUM_THREADS") == min(threads, cores)
    pixels = prepare(blip, pictures)
    torch.testing.assert_close(blip.encode_images(pixels), expected.encode_images(pixels))


def test_with_a_full_tmp_blip_computes_in_bf16(tmp_path: Path) -> None:
    """Its file is allocated completely: writing to a sparse one would kill the worker."""
    if not can_mount():
        pytest.skip("no file system can be mounted here")
    program = (
        "import django; django.setup(); import torch; from ai.engine.blip import load_blip;"
        f"print(load_blip({DEMO_BLIP!r}, device=torch.device('cpu'), dtype='int8').dtype_name)"
    )
    small = f'mount -t tmpfs -o size=64k none "{tmp_path}" && exec "$@"'
    process = subprocess.run(
        [*UNSHARED, small, "sh", sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == "bf16"
    assert "No space left on device" in process.stderr


def test_without_openvino_blip_computes_in_bf16(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "ai.engine.acceleration.int8", raising=False)
    blip = load_blip(DEMO_BLIP, device=CPU, dtype="int8")
    assert blip.dtype_name == "bf16"
    assert "bf16 is used instead" in caplog.text
    assert texts(blip, [Image.new("RGB", (9, 9))], 5) != [""]


def test_openvino_sends_no_telemetry(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", "import ai.engine.acceleration.int8"],
        env={**os.environ, "HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "smimso.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert list(tmp_path.iterdir()) == []


def test_beam_search_names_the_main_object_of_each_image(
    make_engine: Callable[..., Engine],
) -> None:
    scenes = sample_scenes(12, VALIDATION_SEEDS)
    images = [draw_scene(scene, 320) for scene in scenes]
    captions = make_engine(beams=3).caption_images(images)
    assert len(captions) == len(images)
    assert evaluate_captions(scenes, captions)["caption: main object and colour named"] >= 0.75
