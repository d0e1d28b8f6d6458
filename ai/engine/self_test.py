"""The self-test of a loaded CLIP, which refuses a model that differs from its preset.

With a wrong activation, mean, size or padding, vectors still have unit length and finite values;
only searches get worse. So the network's properties are compared with those of the preset, the
vectors of our preprocessing with those of the unmodified network on a manually preprocessed image,
and with recorded vectors if the preset has any.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.model import CLIP
from PIL import Image, ImageDraw

from ai.engine.transformers_clip import Tokenizer
from ai.errors import ModelUnavailable
from ai.presets import Expected, Preset

GOLDEN_DIRECTORY = Path(__file__).resolve().parent.parent / "golden"
MIN_COSINE = 0.99  # bf16 and fp32 agree to 0.999; GELU and QuickGELU are far below it
TEXTS = ("a red boat on the sea", "một con mèo trên ghế", "photo")
Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """The tested part of `ai.engine.clip.Clip`."""

    def embed_images(self, images: Sequence[Image.Image]) -> Vectors: ...
    def embed_texts(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True)
class ReferenceVectors:
    """float32 [512] and [len(TEXTS), 512] of unit length, by the unmodified network."""

    image: Vectors
    texts: Vectors


def draw_image() -> Image.Image:
    """Draw the test image, always the same: 320 x 240 RGB, not square, grey or symmetric."""
    rows, columns = np.mgrid[0:240, 0:320]
    pixels = np.stack([columns * 255 // 319, rows * 255 // 239, (rows + columns) % 256], axis=-1)
    image = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.rectangle((30, 40, 120, 170), fill=(220, 30, 40))
    draw.ellipse((170, 20, 300, 120), fill=(250, 240, 90))
    draw.polygon([(150, 230), (210, 130), (310, 220)], fill=(20, 60, 160))
    return image


def check_network(network: CLIP, tokenizer: Tokenizer, preset: Preset) -> None:
    """Compare an open_clip network's properties with the preset's.

    Raises ModelUnavailable with the difference.
    """
    if preset.expected is None:
        return
    expected = preset.expected
    preprocess = network.visual.preprocess_cfg
    tokens = tokenizer(["a"])[0].tolist()
    for label, actual, required in (
        ("activations", _list_activations(network), expected.activations),
        ("image size", _side(preprocess["size"]), expected.image_size),
        ("mean", _round(preprocess["mean"]), _round(expected.mean)),
        ("standard deviation", _round(preprocess["std"]), _round(expected.std)),
        ("interpolation", preprocess["interpolation"], expected.interpolation),
        ("resize mode", preprocess["resize_mode"], expected.resize),
        ("number of tokens", len(tokens), expected.context),
        ("padding token", tokens[-1], expected.padding),
    ):
        if actual != required:
            difference = f"its {label} must be {_format(required)}, not {_format(actual)}"
            raise _refusal(preset, difference)
    scale = float(network.logit_scale.detach().float().exp())
    low, high = expected.scale
    if not low <= scale <= high:
        raise _refusal(preset, f"its scale is {scale:.1f}, not one of {low:g} to {high:g}")


@torch.inference_mode()
def compute_reference(
    network: CLIP, tokenizer: Tokenizer, preset: Preset, device: torch.device, dtype: torch.dtype
) -> ReferenceVectors:
    """Compute the vectors of the test image and texts with the unmodified open_clip network."""
    expected = preset.expected or _derive_expected(network)
    pixels = torch.from_numpy(preprocess(draw_image(), expected))[None]
    image = network.encode_image(pixels.to(device, dtype))
    texts = network.encode_text(tokenizer(list(TEXTS)).to(device))
    return ReferenceVectors(_unit(image)[0], _unit(texts))


def preprocess(image: Image.Image, expected: Expected) -> Vectors:
    """Resize, crop and normalize an image as in CLIP's paper: float32 [3, size, size]."""
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


def check_vectors(clip: Embedder, preset: Preset, expected: ReferenceVectors) -> None:
    """Compare the vectors that searches would use. Raises ModelUnavailable if they differ."""
    vectors = ReferenceVectors(clip.embed_images([draw_image()])[0], clip.embed_texts(TEXTS))
    lengths = np.linalg.norm(np.vstack([vectors.image, vectors.texts]), axis=1)
    if not np.allclose(lengths, 1.0, atol=1e-3):
        raise _refusal(preset, f"its vectors have lengths of {lengths.min()} to {lengths.max()}")
    _compare(preset, vectors, expected, "those of the unmodified network")
    path = GOLDEN_DIRECTORY / f"{preset.key}.json"
    if preset.key and path.exists():
        _compare(preset, vectors, read_golden(path), "the recorded ones")


def record_golden(clip: Embedder, preset: Preset) -> Path:
    """Record this model's vectors for the comparison at later starts; return the file."""
    path = GOLDEN_DIRECTORY / f"{preset.key}.json"
    vectors = {"image": clip.embed_images([draw_image()])[0], "texts": clip.embed_texts(TEXTS)}
    text = {
        name: base64.b64encode(value.astype("<f2").tobytes()).decode()
        for name, value in vectors.items()
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"model": preset.name, **text}, indent=1) + "\n")
    return path


def read_golden(path: Path) -> ReferenceVectors:
    """Read vectors that `record_golden` wrote."""
    saved = json.loads(path.read_text())

    def vectors(name: str) -> Vectors:
        numbers = np.frombuffer(base64.b64decode(saved[name]), "<f2").astype(np.float32)
        return numbers.reshape(-1, 512)

    return ReferenceVectors(vectors("image")[0], vectors("texts"))


def _compare(
    preset: Preset, vectors: ReferenceVectors, expected: ReferenceVectors, source: str
) -> None:
    """Raise ModelUnavailable if a cosine is below MIN_COSINE. source: of the expected vectors."""
    cosines = {
        "image": float(vectors.image @ expected.image),
        "text": float((vectors.texts * expected.texts).sum(axis=1).min()),
    }
    for modality, cosine in cosines.items():
        if not cosine >= MIN_COSINE:  # also for NaN
            raise _refusal(
                preset,
                f"its {modality} vectors differ from {source} (cosine {cosine:.3f}), because of "
                "other weights or another preprocessing than its preset's",
            )


def _derive_expected(network: CLIP) -> Expected:
    """Return the preprocessing in a model's own files, for a model without a preset."""
    config = network.visual.preprocess_cfg
    return Expected(
        activations=frozenset(),
        image_size=_side(config["size"]),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"],
        resize=config["resize_mode"],
    )


def _side(size: int | Sequence[int]) -> int:
    return size if isinstance(size, int) else max(size)


def _list_activations(network: CLIP) -> frozenset[str]:
    """Return the class names of the transformers' activations; ReLUs belong to convolutions."""
    names = {type(module).__name__ for module in network.modules()}
    return frozenset(name for name in names if "GELU" in name)


def _unit(features: torch.Tensor) -> Vectors:
    return torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy()


def _round(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 5) for value in values)


def _format(value: object) -> str:
    return " and ".join(sorted(value)) if isinstance(value, frozenset) else str(value)


def _refusal(preset: Preset, reason: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"The model does not match {preset.key or preset.name}: {reason}. It is not used, because "
        "its vectors would spoil the search."
    )
