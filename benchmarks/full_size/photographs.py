"""JPEG files with the size and the detail of a camera's photographs."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (4000, 3000)  # 12 megapixels
QUALITY = 88
CACHE = Path(__file__).resolve().parents[2] / "var" / "photographs"


def load_photographs(number: int) -> Iterator[bytes]:
    """Yield `number` JPEG files of about 2.3 MB, generated once and identical at every call.

    They are noise whose spectrum falls with the frequency, as that of natural images does (Field
    1987), with little colour and the grain of a sensor.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        path = CACHE / f"{index}.jpg"
        if not path.exists():
            path.write_bytes(_make_photograph(np.random.default_rng(index)))
        yield path.read_bytes()


def _make_photograph(random: np.random.Generator) -> bytes:
    light = _make_noise(random, range(2, 12))
    light *= 55 / light.std()
    light += 118 + random.normal(0, 3.0, light.shape).astype(np.float32)
    planes = [light]
    for _ in range(2):
        colour = _make_noise(random, range(2, 7))
        planes.append(128 + colour * 12 / colour.std())
    pixels = np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, "YCbCr").save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _make_noise(random: np.random.Generator, octaves: range) -> np.ndarray:
    """Return float32 [rows, columns] of SIZE."""
    noise = np.zeros(SIZE[::-1], np.float32)
    for octave in octaves:
        columns = 2**octave
        grid = random.normal(0, 1, (max(2, columns * SIZE[1] // SIZE[0]), columns))
        plane = Image.fromarray(grid.astype(np.float32))
        noise += np.asarray(plane.resize(SIZE, Image.Resampling.BICUBIC)) * 0.75**octave
    return noise
