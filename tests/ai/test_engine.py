"""The engine: unit vectors in order, captions, and one clear error for missing weights."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ai.engine import Engine
from ai.engine.lazy_model import LazyModel
from ai.engine.precision import choose_dtype
from ai.errors import ModelUnavailable
from tests.ai.conftest import save_clip, save_multilingual_clip

pytestmark = pytest.mark.slow

Make = Callable[..., Engine]
COMMIT = "82a37760796d32b1411fe092ab5d4e227313294b"


def test_vectors_are_512_float32_numbers_of_unit_length(
    tiny_engine: Engine, pictures: list[Image.Image]
) -> None:
    for vectors in (tiny_engine.embed_images(pictures), tiny_engine.embed_texts(["a", "b"] * 4)):
        assert vectors.shape == (8, 512)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_vectors_do_not_depend_on_the_batch_and_are_in_order(
    tiny_engine: Engine, pictures: list[Image.Image]
) -> None:
    batch = tiny_engine.embed_images(pictures)
    singles = np.concatenate([tiny_engine.embed_images([picture]) for picture in pictures])
    assert (batch * singles).sum(axis=1).min() >= 0.9999


def test_images_of_several_passes_keep_their_order(tiny_engine: Engine) -> None:
    images = [Image.new("RGB", (40, 40), (6 * index, 0, 255 - 6 * index)) for index in range(40)]
    vectors = tiny_engine.embed_images(images)
    np.testing.assert_allclose(vectors[39:], tiny_engine.embed_images(images[39:]), atol=1e-5)
    assert vectors.shape == (40, 512)


def test_no_images_give_no_vectors(tiny_engine: Engine) -> None:
    assert tiny_engine.embed_images([]).shape == (0, 512)
    assert tiny_engine.embed_texts([]).shape == (0, 512)


def test_a_text_is_cut_at_the_context_length(tiny_engine: Engine) -> None:
    long, longer = tiny_engine.embed_texts(["word " * 200, "word " * 400])
    np.testing.assert_allclose(long, longer, atol=1e-6)


def test_probabilities_of_the_prompts_sum_to_one(
    tiny_engine: Engine, pictures: list[Image.Image]
) -> None:
    scores = tiny_engine.classify(tiny_engine.embed_images(pictures), ["a cat", "a dog", "a sea"])
    assert scores.shape == (8, 3)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-5)


def test_probabilities_use_the_scale_that_the_model_was_trained_with(
    tiny_engine: Engine, pictures: list[Image.Image]
) -> None:
    vectors, prompts = tiny_engine.embed_images(pictures), ["a cat", "a dog"]
    logits = 1 / 0.07 * vectors @ tiny_engine.embed_texts(prompts).T  # CLIPModel's initial scale
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(tiny_engine.classify(vectors, prompts), expected, atol=1e-3)


def test_prompts_are_embedded_again_only_when_they_change(
    tiny_engine: Engine, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = tiny_engine.embed_images(pictures)
    clip, embedded = tiny_engine.clip.get(), []
    embed_texts = type(clip).embed_texts

    def counted(self: Any, texts: list[str]) -> Any:
        embedded.append(texts)
        return embed_texts(self, texts)

    monkeypatch.setattr(type(clip), "embed_texts", counted)
    one, other = ["a lamp", "a door"], ["a door", "a lamp"]
    first = tiny_engine.classify(vectors, one)
    assert np.array_equal(tiny_engine.classify(vectors, one), first)
    np.testing.assert_allclose(tiny_engine.classify(vectors, other), first[:, ::-1], atol=1e-4)
    assert embedded == [one, other]


def test_captions_do_not_depend_on_the_batch_and_are_in_order(
    make_engine: Make, pictures: list[Image.Image]
) -> None:
    engine = make_engine()
    captions = engine.caption_images(pictures, max_new_tokens=8)
    assert captions == [
        engine.caption_images([picture], max_new_tokens=8)[0] for picture in pictures
    ]
    assert all(caption == caption.strip() and "[" not in caption for caption in captions)


def test_a_vector_that_is_not_finite_is_an_error(make_engine: Make) -> None:
    engine = make_engine()
    with torch.no_grad():
        engine.clip.get().encode_images.proj[0] = float("nan")
    with pytest.raises(FloatingPointError):
        engine.embed_images([Image.new("RGB", (32, 32))])


def test_half_precision_gives_nearly_the_same_vectors(
    make_engine: Make, tiny_engine: Engine, pictures: list[Image.Image]
) -> None:
    half = make_engine(dtype="bf16").embed_images(pictures)
    assert half.dtype == np.float32
    assert (half * tiny_engine.embed_images(pictures)).sum(axis=1).min() > 0.999


def test_a_multilingual_model_computes_in_half_precision_too(
    make_engine: Make, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    model = f"local-dir:{save_multilingual_clip(tmp_path)}"
    full, half = make_engine(clip_model=model), make_engine(clip_model=model, dtype="bf16")
    texts = ["một con mèo", "a cat", "một con mèo " * 100]
    assert (full.embed_texts(texts) * half.embed_texts(texts)).sum(axis=1).min() > 0.999
    cosines = (full.embed_images(pictures) * half.embed_images(pictures)).sum(axis=1)
    assert cosines.min() > 0.999


def test_a_model_with_vectors_of_another_size_is_refused(make_engine: Make, tmp_path: Path) -> None:
    engine = make_engine(clip_model=str(save_clip(tmp_path / "narrow", width=384)))
    with pytest.raises(ModelUnavailable, match="384 numbers, the database stores 512"):
        engine.embed_texts(["a"])


@pytest.mark.parametrize(
    ("clip_model", "clip_pretrained", "sought"),
    [
        ("ViT-B-32-quickgelu", "openai", "timm/vit_base_patch32_clip_224.openai"),
        ("ViT-B-32-quickgelu", "no-such-tag", "no-such-tag"),
        ("No-Such-Architecture", "openai", "No-Such-Architecture"),
        ("openai/clip-vit-base-patch32", "", "openai/clip-vit-base-patch32"),
        ("not a name/at all", "", "not a name/at all"),
        ("local-dir:/no/such/directory", "", "/no/such/directory"),
    ],
)
def test_missing_weights_are_one_clear_error_at_once(
    make_engine: Make, clip_model: str, clip_pretrained: str, sought: str
) -> None:
    engine = make_engine(clip_model=clip_model, clip_pretrained=clip_pretrained)
    started = time.monotonic()
    with pytest.raises(ModelUnavailable) as caught:
        engine.embed_texts(["a"])
    assert sought in str(caught.value)
    assert "manage.py warm_models" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 20  # a repeated request would take 23 s


def test_a_directory_without_weights_does_not_become_a_random_model(
    make_engine: Make, tiny_clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text((tiny_clip / "config.json").read_text())
    for options in ({"clip_model": str(tmp_path)}, {"blip_model": str(tmp_path)}):
        engine = make_engine(**options)
        with pytest.raises(ModelUnavailable, match=str(tmp_path)):
            engine.embed_texts(["a"]) if "clip_model" in options else engine.blip.get()


def test_a_failed_load_is_repeated_only_after_a_pause(
    make_engine: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("ai.engine.lazy_model.time.monotonic", lambda: now)
    engine = make_engine(clip_model=str(tmp_path / "later"))
    with pytest.raises(ModelUnavailable):
        engine.embed_texts(["a"])
    save_clip(tmp_path / "later")
    with pytest.raises(ModelUnavailable):
        engine.embed_texts(["a"])
    now += 15.1
    assert engine.embed_texts(["a"]).shape == (1, 512)


def test_callers_wait_while_a_model_is_being_loaded() -> None:
    loaded: list[object] = []
    begun, go_on = Event(), Event()

    def load() -> object:
        begun.set()
        assert go_on.wait(60)
        loaded.append(object())
        return loaded[-1]

    model = LazyModel(load)
    with ThreadPoolExecutor(3) as threads:
        futures = [threads.submit(model.get) for _ in range(3)]
        assert begun.wait(60)
        assert not model.loaded
        go_on.set()
        assert {future.result(60) for future in futures} == {model.get()} == set(loaded)
    assert len(loaded) == 1


def test_a_name_never_contains_the_path_of_a_directory(make_engine: Make, tiny_clip: Path) -> None:
    engine = make_engine(clip_model=f"local-dir:{tiny_clip}")
    assert re.fullmatch("local-dir/tiny-clip@[0-9a-f]{8}", engine.clip_name)


@pytest.mark.parametrize(
    ("location", "source"),
    [
        (f"/cache/models--owner--blip/snapshots/{COMMIT}", "owner/blip@82a37760"),
        ("/models/blip", "owner/blip"),
    ],
)
def test_the_source_of_a_caption_includes_the_commit_of_a_hub_model(
    make_engine: Make, location: str, source: str
) -> None:
    blip = LazyModel(lambda: SimpleNamespace(location=Path(location)))
    assert make_engine(blip_model="owner/blip", blip=blip).caption_source == source


def test_the_dtype_follows_the_device_and_the_setting() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert choose_dtype("auto", cpu) in {"fp32", "bf16", "int8"}
    assert choose_dtype("auto", cuda) == "fp16"
    assert choose_dtype("fp32", cuda) == "fp32"
    with pytest.raises(ValueError, match="SMIMSO_AI_DTYPE"):
        choose_dtype("int3", cpu)
    with pytest.raises(ValueError, match="VNNI"):
        choose_dtype("int8", cuda)


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ("avx2 avx512_bf16 avx512_vnni", "int8"),
        ("avx2 avx512_bf16", "bf16"),
        ("avx2 avx512_vnni", "fp32"),
        ("avx2", "fp32"),
    ],
)
def test_the_dtype_follows_the_flags_of_the_processor(
    flags: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags : fpu {flags}\n")
    monkeypatch.setattr("ai.engine.precision.CPUINFO", cpuinfo)
    assert choose_dtype("auto", torch.device("cpu")) == dtype
