"""Render the training pictures once, into memory-mapped arrays.

    python -m ai.demo_models.dataset --out DIR --scenes 64000 --processes 2

An interrupted run continues where it stopped.
"""

from __future__ import annotations

import argparse
import multiprocessing
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ai.demo_models.drawing import draw_scene, locate_objects
from ai.demo_models.scenes import MAX_GROUPS, TRAINING_SEEDS, Scene, sample_scenes

SIDE = 128
MAX_OBJECTS = 4
_RENDER_WIDTH = 2 * SIDE
_CHUNK = 500


def sample_training_scenes(count: int) -> list[Scene]:
    """Return the scenes of the first ``count`` training pictures, in order."""
    return sample_scenes(count, TRAINING_SEEDS)


def render_scene(scene: Scene) -> np.ndarray:
    """Draw ``scene``, squashed to a square: uint8, (SIDE, SIDE, 3), RGB, 0 to 255.

    The picture is drawn at twice the size and reduced with the resampling of the models'
    preprocessing, so that training and inference see the same kind of picture.
    """
    image = draw_scene(scene, _RENDER_WIDTH)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def build_box_array(scene: Scene) -> np.ndarray:
    """Return the boxes of all objects: float16, (MAX_GROUPS, MAX_OBJECTS, 4), 0..1.

    A box is (left, top, right, bottom) as fractions of the picture; absent objects are zero.
    """
    boxes = np.zeros((MAX_GROUPS, MAX_OBJECTS, 4), np.float16)
    for group, members in enumerate(locate_objects(scene)):
        boxes[group, : len(members)] = members
    return boxes


def _render_chunk(chunk: list[Scene]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([render_scene(s) for s in chunk]), np.stack([build_box_array(s) for s in chunk])


def _open_array(path: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    mode = "r+" if path.exists() else "w+"
    return np.lib.format.open_memmap(path, mode=mode, shape=shape, dtype=dtype)


def render_dataset(out: Path, count: int, processes: int) -> None:
    """Render ``count`` training scenes into ``out`` with several processes."""
    out.mkdir(parents=True, exist_ok=True)
    chunks = -(-count // _CHUNK)
    pixels = _open_array(out / "pixels.npy", (count, SIDE, SIDE, 3), np.uint8)
    boxes = _open_array(out / "boxes.npy", (count, MAX_GROUPS, MAX_OBJECTS, 4), np.float16)
    done = _open_array(out / "done.npy", (chunks,), np.bool_)
    scenes = sample_training_scenes(count)
    missing = [index for index in range(chunks) if not done[index]]
    jobs = [scenes[index * _CHUNK : (index + 1) * _CHUNK] for index in missing]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        results = pool.imap(_render_chunk, jobs)
        for index, (images, corners) in zip(missing, tqdm(results, total=len(jobs)), strict=True):
            start = index * _CHUNK
            pixels[start : start + len(images)] = images
            boxes[start : start + len(images)] = corners
            done[index] = True


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory for the arrays")
    parser.add_argument("--scenes", type=int, default=64_000)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    render_dataset(arguments.out, arguments.scenes, arguments.processes)


if __name__ == "__main__":
    main()
