"""Refuses a model that does not compute what its preset says, before anyone searches with it.

Vectors of a wrong activation, mean, size or padding are as long and as finite as right ones;
only searches get worse. So the loaded network is compared with known facts, the way that images
take with a plain one of its own, and, where the preset has any, vectors with recorded ones.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ai.errors import ModelUnavailable
from ai.presets import Expected, Preset

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
MIN_COSINE = 0.99  # bf16 against fp32 is above 0.999; GELU for QuickGELU is far below
TEXTS = ("a red boat on the sea", "một con mèo trên ghế", "photo")
Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """The part of `ai.engine.clip.Clip` that is tested."""

    def embed_images(self, images: Sequence[Image.Image]) -> Vectors: ...
    def embed_texts(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True)
class ReferenceVectors:
    """float32 [512] and [len(TEXTS), 512], of unit length: by the network as it was loaded."""

    image: Vectors
    texts: Vectors


def draw_image() -> Image.Image:
    """Always the same: 320 x 240 RGB, neither square nor grey nor symmetric."""
    rows, columns = np.mgrid[0:240, 0:320]
    pixels = np.stack([columns * 255 // 319, rows * 255 // 239, (rows + columns) % 256], axis=-1)
    image = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.rectangle((30, 40, 120, 170), fill=(220, 30, 40))
    draw.ellipse((170, 20, 300, 120), fill=(250, 240, 90))
    draw.polygon([(150, 230), (210, 130), (310, 220)], fill=(20, 60, 160))
    return image


def check_network(network: Any, tokenizer: Any, preset: Preset) -> None:
    """Compares what can be read off an open_clip network; ModelUnavailable names the difference."""
    if preset.expected is None:
        return
    expected = preset.expected
    preprocess = network.visual.preprocess_cfg
    tokens = tokenizer(["a"])[0].tolist()
    for what, found, wanted in (
        ("activations", _list_activations(network), expected.activations),
        ("image size", _side(preprocess["size"]), expected.image_size),
        ("mean", _round(preprocess["mean"]), _round(expected.mean)),
        ("standard deviation", _round(preprocess["std"]), _round(expected.std)),
        ("interpolation", preprocess["interpolation"], expected.interpolation),
        ("way of resizing", preprocess["resize_mode"], expected.resize),
        ("number of tokens", len(tokens), expected.context),
        ("padding token", tokens[-1], expected.padding),
    ):
        if found != wanted:
            raise _refusal(preset, f"its {what} must be {_format(wanted)}, not {_format(found)}")
    scale = float(network.logit_scale.detach().float().exp())
    low, high = expected.scale
    if not low <= scale <= high:
        raise _refusal(preset, f"its scale is {scale:.1f}, not one of {low:g} to {high:g}")


@torch.inference_mode()
def compute_reference(
    network: Any, tokenizer: Any, preset: Preset, device: torch.device, dtype: torch.dtype
) -> ReferenceVectors:
    """What the untouched open_clip network makes of the drawn image, prepared here by hand."""
    expected = preset.expected or _derive_expected(network)
    pixels = torch.from_numpy(preprocess(draw_image(), expected))[None]
    image = network.encode_image(pixels.to(device, dtype))
    texts = network.encode_text(tokenizer(list(TEXTS)).to(device))
    return ReferenceVectors(_unit(image)[0], _unit(texts))


def preprocess(image: Image.Image, expected: Expected) -> Vectors:
    """float32 [3, size, size]: resized, cropped and normalised as CLIP's paper does it."""
    side = expected.image_size
    resample = Image.Resampling[expected.interpolation.upper()]
    if expected.resize == "squash":
        image = image.resize((side, side), resample)
    else:
        width, height = image.size
        short = min(width, height)
        image = image.resize((width * side // short, height * side // short), resample)
        left, top = round((image.width - side) / 2), round((image.height - side) / 2)
        image = image.crop((left, top, left + side, top + side))
    values = np.asarray(image, dtype=np.float32) / 255
    mean, std = np.array(expected.mean, np.float32), np.array(expected.std, np.float32)
    return np.ascontiguousarray(((values - mean) / std).transpose(2, 0, 1))


def check_vectors(clip: Embedder, preset: Preset, wanted: ReferenceVectors) -> None:
    """Compares the vectors that searches would get; ModelUnavailable says which differ."""
    found = ReferenceVectors(clip.embed_images([draw_image()])[0], clip.embed_texts(TEXTS))
    lengths = np.linalg.norm(np.vstack([found.image, found.texts]), axis=1)
    if not np.allclose(lengths, 1.0, atol=1e-3):
        raise _refusal(preset, f"its vectors have lengths of {lengths.min()} to {lengths.max()}")
    _compare(preset, found, wanted, "the plain network's")
    path = GOLDEN / f"{preset.key}.json"
    if preset.key and path.exists():
        _compare(preset, found, read_golden(path), "the recorded ones")


def record_golden(clip: Embedder, preset: Preset) -> Path:
    """Writes this model's vectors, which later starts are compared with; where they are."""
    path = GOLDEN / f"{preset.key}.json"
    vectors = {"image": clip.embed_images([draw_image()])[0], "texts": clip.embed_texts(TEXTS)}
    text = {
        name: base64.b64encode(value.astype("<f2").tobytes()).decode()
        for name, value in vectors.items()
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"model": preset.name, **text}, indent=1) + "\n")
    return path


def read_golden(path: Path) -> ReferenceVectors:
    saved = json.loads(path.read_text())

    def vectors(name: str) -> Vectors:
        numbers = np.frombuffer(base64.b64decode(saved[name]), "<f2").astype(np.float32)
        return numbers.reshape(-1, 512)

    return ReferenceVectors(vectors("image")[0], vectors("texts"))


def _compare(preset: Preset, found: ReferenceVectors, wanted: ReferenceVectors, whose: str) -> None:
    cosines = {
        "image": float(found.image @ wanted.image),
        "texts": float((found.texts * wanted.texts).sum(axis=1).min()),
    }
    for kind, cosine in cosines.items():
        if not cosine >= MIN_COSINE:  # also not a number
            raise _refusal(
                preset,
                f"its vectors of {kind} are not {whose} (cosine {cosine:.3f}): other weights, or "
                "images or texts are not prepared as its preset says",
            )


def _derive_expected(network: Any) -> Expected:
    """How images are prepared for a model that nobody described: as its own files say."""
    found = network.visual.preprocess_cfg
    return Expected(
        activations=frozenset(),
        image_size=_side(found["size"]),
        mean=tuple(found["mean"]),
        std=tuple(found["std"]),
        interpolation=found["interpolation"],
        resize=found["resize_mode"],
    )


def _side(size: Any) -> int:
    return size if isinstance(size, int) else max(size)


def _list_activations(network: Any) -> frozenset[str]:
    """Class names of the transformers' activations; ReLUs belong to convolutions."""
    names = {type(module).__name__ for module in network.modules()}
    return frozenset(name for name in names if "GELU" in name)


def _unit(features: torch.Tensor) -> Vectors:
    return torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy()


def _round(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 5) for value in values)


def _format(value: Any) -> str:
    return " and ".join(sorted(value)) if isinstance(value, frozenset) else str(value)


def _refusal(preset: Preset, reason: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"The model is not what {preset.key or preset.name} has to be: {reason}. It is not used, "
        "for its vectors would spoil the search."
    )
