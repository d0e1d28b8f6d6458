"""Drawn scenes with the real engine's CLIP vectors and BLIP captions, cached in var/."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ai.demo_models.drawing import draw_scene
from ai.demo_models.scenes import DEMO_SEEDS, Scene, sample_scenes
from ai.worker import get_engine

CACHE = Path(__file__).resolve().parents[2] / "var"
WIDTH, BATCH = 480, 32


@dataclass(frozen=True)
class DrawnScenes:
    """Scenes with vectors, float32 [n, 512] of unit length, and English captions, in one order."""

    scenes: list[Scene]
    vectors: np.ndarray
    captions: list[str]


def load_drawn_scenes(count: int, seed: int = 0) -> DrawnScenes:
    """Return the same scenes at every call; the first call draws, embeds and captions them."""
    start = DEMO_SEEDS.start + 50_000 * (seed % 10)
    scenes = sample_scenes(count, range(start, DEMO_SEEDS.stop), held_out_pairs=None)
    name = get_engine().clip_name.replace("/", "-")
    file = CACHE / f"drawn-{name}-{count}-{seed}.npz"
    if not file.exists():
        vectors, captions = _process_scenes(scenes)
        file.parent.mkdir(exist_ok=True)
        np.savez(file, vectors=vectors, captions=json.dumps(captions))
    cached = np.load(file)
    return DrawnScenes(scenes, cached["vectors"], json.loads(str(cached["captions"])))


def _process_scenes(scenes: list[Scene]) -> tuple[np.ndarray, list[str]]:
    vectors, captions, began = [], [], time.perf_counter()
    for images in _draw_batches(scenes):
        vectors.append(get_engine().embed_images(images))
        captions += get_engine().caption_images(images)
        rate = len(captions) / (time.perf_counter() - began)
        print(f"\r{len(captions)} drawn, embedded, captioned: {rate:.1f}/s", end="", flush=True)
    print()
    return np.concatenate(vectors), captions


def _draw_batches(scenes: list[Scene]) -> Iterator[list[Image.Image]]:
    for start in range(0, len(scenes), BATCH):
        yield [draw_scene(scene, WIDTH) for scene in scenes[start : start + BATCH]]
