"""JPEGs with the size and the detail of a camera's."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (4000, 3000)  # 12 megapixels
QUALITY = 88
CACHE = Path(__file__).resolve().parents[2] / "var" / "photographs"


def photographs(number: int) -> Iterator[bytes]:
    """About 2.3 MB each, the same ones every time; made once.

    Noise whose spectrum falls with the frequency, as that of natural images does (Field 1987),
    little colour, and a sensor's grain.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        path = CACHE / f"{index}.jpg"
        if not path.exists():
            path.write_bytes(_photograph(np.random.default_rng(index)))
        yield path.read_bytes()


def _photograph(random: np.random.Generator) -> bytes:
    light = _noise(random, range(2, 12))
    light *= 55 / light.std()
    light += 118 + random.normal(0, 3.0, light.shape).astype(np.float32)
    planes = [light]
    for _ in range(2):
        colour = _noise(random, range(2, 7))
        planes.append(128 + colour * 12 / colour.std())
    pixels = np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, "YCbCr").save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _noise(random: np.random.Generator, octaves: range) -> np.ndarray:
    """float32 [rows, columns] of SIZE."""
    found = np.zeros(SIZE[::-1], np.float32)
    for octave in octaves:
        columns = 2**octave
        grid = random.normal(0, 1, (max(2, columns * SIZE[1] // SIZE[0]), columns))
        plane = Image.fromarray(grid.astype(np.float32))
        found += np.asarray(plane.resize(SIZE, Image.Resampling.BICUBIC)) * 0.75**octave
    return found
