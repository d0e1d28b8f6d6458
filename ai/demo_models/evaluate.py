"""Measure the demo models on scenes that training did not show.

    python -m ai.demo_models.evaluate [--clip DIR] [--blip DIR] [--scenes 1000]

The models are loaded through open_clip and transformers, as any other model, and get JPEG files
640 pixels wide, as users upload them.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from ai.engine.torchvision_operators import declare_missing_operators

declare_missing_operators()  # before open_clip and transformers, which import torchvision

import open_clip  # noqa: E402
from open_clip.model import CLIP  # noqa: E402
from transformers import AutoTokenizer, BlipForConditionalGeneration  # noqa: E402
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil  # noqa: E402

from ai.demo_models.descriptions import LANGUAGES, caption, describe_fully  # noqa: E402
from ai.demo_models.drawing import draw_scene  # noqa: E402
from ai.demo_models.scenes import (  # noqa: E402
    CATEGORIES,
    KINDS,
    PLACES,
    TEST_SEEDS,
    TIMES,
    Scene,
    SceneObject,
    sample_scenes,
)
from ai.demo_models.vocabulary import COLOUR_EN, KIND_EN, NUMBER_EN, PLACE_EN, TIME_NOUN_EN  # noqa: E402

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
MODELS = Path(__file__).resolve().parent
_BATCH = 50
_WIDTH = 640
_JPEG_QUALITY = 88


def draw_jpeg(scene: Scene) -> Image.Image:
    """Draw ``scene`` 640 pixels wide and return it after encoding and decoding as JPEG."""
    file = io.BytesIO()
    draw_scene(scene, _WIDTH).save(file, "JPEG", quality=_JPEG_QUALITY)
    return Image.open(file).convert("RGB")


@dataclass(frozen=True)
class Clip:
    """A CLIP model that open_clip loaded from a directory."""

    model: CLIP
    preprocess: Callable[[Image.Image], torch.Tensor]
    tokenizer: Callable[[Sequence[str]], torch.Tensor]
    dtype: torch.dtype

    @classmethod
    def load(cls, directory: Path, precision: str) -> Clip:
        """Load the model in ``precision``, "fp32" or "bf16"."""
        name = f"local-dir:{directory.resolve()}"
        model, _, preprocess = open_clip.create_model_and_transforms(
            name, precision=precision, require_pretrained=True
        )
        return cls(model.eval(), preprocess, open_clip.get_tokenizer(name), PRECISIONS[precision])

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return unit vectors: float32 (n, 512)."""
        vectors = [
            self.model.encode_image(
                torch.stack([self.preprocess(i) for i in images[start : start + _BATCH]]).to(
                    self.dtype
                )
            ).float()
            for start in range(0, len(images), _BATCH)
        ]
        return torch.nn.functional.normalize(torch.cat(vectors), dim=-1).numpy()

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return unit vectors: float32 (n, 512)."""
        vectors = [
            self.model.encode_text(self.tokenizer(texts[start : start + _BATCH])).float()
            for start in range(0, len(texts), _BATCH)
        ]
        return torch.nn.functional.normalize(torch.cat(vectors), dim=-1).numpy()


def compute_recall_at(similarities: np.ndarray, k: int) -> float:
    """Return the fraction of rows whose diagonal element is among their k largest."""
    own = np.diagonal(similarities)[:, None]
    return float(((similarities > own).sum(1) < k).mean())


def evaluate_retrieval(clip: Clip, scenes: Sequence[Scene], images: np.ndarray) -> dict[str, float]:
    """Return R@1 and R@10 with full descriptions, for both languages and directions."""
    results = {}
    for language in LANGUAGES:
        rng = random.Random(0)
        texts = [describe_fully(scene, language, rng).text for scene in scenes]
        similarities = clip.embed_texts(texts) @ images.T
        for k in (1, 10):
            results[f"text to image R@{k} ({language})"] = compute_recall_at(similarities, k)
            results[f"image to text R@{k} ({language})"] = compute_recall_at(similarities.T, k)
    return results


def evaluate_zero_shot(clip: Clip, scenes: Sequence[Scene], images: np.ndarray) -> dict[str, float]:
    """Return the accuracy of the best label with the template "a photo of {label}"."""
    tasks: dict[str, tuple[dict[str, str], Callable[[Scene], str]]] = {
        "kind of main object": (
            {kind: KIND_EN[kind][0][0] for kind in KINDS},
            lambda scene: scene.main.kind,
        ),
        "category of main object": (
            {category: category for category in CATEGORIES},
            lambda scene: KINDS[scene.main.kind].category,
        ),
        "place": (
            {place: PLACE_EN[place][0][0].removeprefix("a ") for place in PLACES},
            lambda scene: scene.place,
        ),
        "time": ({time: TIME_NOUN_EN[time] for time in TIMES}, lambda scene: scene.time),
    }
    results = {}
    for task, (labels, truth) in tasks.items():
        names = list(labels)
        texts = clip.embed_texts([f"a photo of {labels[name]}" for name in names])
        guesses = (images @ texts.T).argmax(1)
        right = [names[guess] == truth(s) for guess, s in zip(guesses, scenes, strict=True)]
        results[f"zero-shot {task} (of {len(names)})"] = float(np.mean(right))
    return results


@torch.inference_mode()
def generate_captions(directory: Path, images: Sequence[Image.Image], precision: str) -> list[str]:
    """Generate captions greedily with the BLIP model in ``directory``."""
    dtype = PRECISIONS[precision]
    model = BlipForConditionalGeneration.from_pretrained(directory, dtype=dtype).eval()
    processor = BlipImageProcessorPil.from_pretrained(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    captions: list[str] = []
    for start in range(0, len(images), _BATCH):
        pixels = processor(images=list(images[start : start + _BATCH]), return_tensors="pt")
        tokens = model.generate(pixel_values=pixels["pixel_values"].to(dtype), max_new_tokens=30)
        captions += tokenizer.batch_decode(tokens, skip_special_tokens=True)
    return [text.strip() for text in captions]


def _mentions(text: str, item: SceneObject) -> bool:
    """Return True if ``text`` names the kind of ``item`` right after its colour."""
    colour = COLOUR_EN[item.colour][0]
    return any(f"{colour} {noun}" in text for noun in KIND_EN[item.kind][0])


def evaluate_captions(scenes: Sequence[Scene], captions: Sequence[str]) -> dict[str, float]:
    """Return the fractions of ``captions`` that are correct, by criterion."""
    rows = [
        {
            "main object and colour named": _mentions(text, scene.main),
            "main object and colour named first": _mentions(
                text.split(" and ")[0].split(",")[0], scene.main
            ),
            "main number right": text.startswith(
                ("a ", "an ") if scene.main.count == 1 else NUMBER_EN[scene.main.count]
            ),
            "all objects and colours named": all(_mentions(text, item) for item in scene.objects),
            "place right": PLACE_EN[scene.place][0][1] in text,
            "word for word": text == caption(scene),
        }
        for scene, text in zip(scenes, captions, strict=True)
    ]
    return {f"caption: {name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}


def evaluate(
    clip: Path, blip: Path, scenes: Sequence[Scene], images: Sequence[Image.Image], precision: str
) -> dict[str, float]:
    """Return all figures for ``scenes`` and their pictures: name to fraction in [0, 1]."""
    model = Clip.load(clip, precision)
    vectors = model.embed_images(images)
    return {
        **evaluate_retrieval(model, scenes, vectors),
        **evaluate_zero_shot(model, scenes, vectors),
        **evaluate_captions(scenes, generate_captions(blip, images, precision)),
    }


def _format_table(columns: dict[str, dict[str, float]]) -> str:
    names = list(next(iter(columns.values())))
    lines = [
        "| | " + " | ".join(columns) + " |",
        "|---|" + "---:|" * len(columns),
        *(
            f"| {name} | " + " | ".join(f"{column[name]:.3f}" for column in columns.values()) + " |"
            for name in names
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=MODELS / "clip")
    parser.add_argument("--blip", type=Path, default=MODELS / "blip")
    parser.add_argument("--scenes", type=int, default=1000)
    options = parser.parse_args()
    columns = {}
    for label, held_out in (("held-out scenes", False), ("held-out pairs", True)):
        scenes = sample_scenes(options.scenes, TEST_SEEDS, held_out_pairs=held_out)
        images = [draw_jpeg(scene) for scene in tqdm(scenes, desc=f"draw {label}")]
        for precision in PRECISIONS:
            columns[f"{label}, {precision}"] = evaluate(
                options.clip, options.blip, scenes, images, precision
            )
    sys.stdout.write(_format_table(columns))


if __name__ == "__main__":
    main()
