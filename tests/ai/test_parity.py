"""CLIP ViT-B/32 by this engine compared with transformers' CLIPModel, in fp32.

The weights are random, of the real shape: with the real ones both sides compute the same way.
"""

import ai.engine  # noqa: F401 - declares operators that torchvision needs

# ruff: isort: split
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from ai.engine import Engine

pytestmark = pytest.mark.slow

TEXTS = [
    "a photo of a cat",
    "Hello, World! It's 3 o'clock",
    "một con mèo ngồi trên ghế",
    "word " * 200,
    "🎉 émile",
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with CLIPConfig's defaults, which are those of openai/clip-vit-base-patch32."""
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("clip-vit-base-patch32")
    CLIPModel(CLIPConfig(text_config={}, vision_config={})).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def reference(saved: Path) -> CLIPModel:
    return CLIPModel.from_pretrained(saved, local_files_only=True).eval()


@pytest.fixture(scope="module")
def engine(saved: Path, make_engine: Callable[..., Engine]) -> Engine:
    return make_engine(clip_model=str(saved))


@torch.inference_mode()
def test_image_vectors_match_transformers(
    engine: Engine, reference: CLIPModel, pictures: list[Image.Image]
) -> None:
    pictures = pictures[:4]
    pixels = CLIPImageProcessor()(images=pictures, return_tensors="pt")["pixel_values"]
    expected = _unit(reference.get_image_features(pixel_values=pixels))
    vectors = engine.embed_images(pictures)
    assert (vectors * expected).sum(axis=1).min() >= 0.999
    assert (vectors[1:] * expected[:-1]).sum(axis=1).max() < 0.999  # pictures do differ


@torch.inference_mode()
def test_text_vectors_match_transformers(engine: Engine, reference: CLIPModel) -> None:
    # transformers' own tokenizer files are not bundled; open_clip's have the same vocabulary
    tokens = open_clip.get_tokenizer("ViT-B-32")(TEXTS)
    expected = _unit(reference.get_text_features(input_ids=tokens))
    vectors = engine.embed_texts(TEXTS)
    assert (vectors * expected).sum(axis=1).min() >= 0.999
    assert (vectors[1:] * expected[:-1]).sum(axis=1).max() < 0.999


@torch.inference_mode()
def test_probabilities_match_transformers(
    engine: Engine, reference: CLIPModel, pictures: list[Image.Image]
) -> None:
    pictures = pictures[:2]
    pixels = CLIPImageProcessor()(images=pictures, return_tensors="pt")["pixel_values"]
    tokens = open_clip.get_tokenizer("ViT-B-32")(TEXTS[:3])
    expected = reference(input_ids=tokens, pixel_values=pixels).logits_per_image.softmax(dim=-1)
    probabilities = engine.classify(engine.embed_images(pictures), TEXTS[:3])
    np.testing.assert_allclose(probabilities, expected.numpy(), atol=1e-3)


def _unit(output: Any) -> np.ndarray:
    features = output if isinstance(output, torch.Tensor) else output.pooler_output
    return torch.nn.functional.normalize(features, dim=-1).numpy()
