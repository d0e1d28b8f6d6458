"""Training batches: lightly augmented pictures and numeric labels of their content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from ai.demo_models.dataset import MAX_OBJECTS, SIDE, sample_training_scenes
from ai.demo_models.descriptions import Description, ObjectClaim
from ai.demo_models.scenes import (
    CATEGORIES,
    COLOURS,
    KINDS,
    MAX_GROUPS,
    PLACES,
    SIZES,
    TIMES,
    WEATHERS,
    Scene,
    SceneObject,
)

# The statistics of CLIP's training set, which open_clip and BLIP use by default.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
ANY = -1
KIND_NAMES = tuple(KINDS)
NO_OBJECT = len(KIND_NAMES)
_MIN_CROP = 114
# Nine cells in ten are empty; without this weight they would dominate the loss.
_EMPTY_CELL_WEIGHT = 0.05
_CODES = {
    name: code
    for names in (KIND_NAMES, CATEGORIES, COLOURS, SIZES, PLACES, TIMES, WEATHERS)
    for code, name in enumerate(names)
}
# Kinds and colours have separate tables, because a kind may have the name of a colour.
_KIND_CODES = {name: code for code, name in enumerate(KIND_NAMES)}
_COLOUR_CODES = {name: code for code, name in enumerate(COLOURS)}


def _encode_name(name: str | None) -> int:
    return ANY if name is None else _CODES[name]


def _encode_object(item: SceneObject | ObjectClaim) -> tuple[int, int, int, int, int]:
    if isinstance(item, SceneObject):
        category: str | None = KINDS[item.kind].category
    else:
        category = item.category
    kind = ANY if item.kind is None else _KIND_CODES[item.kind]
    colour = ANY if item.colour is None else _COLOUR_CODES[item.colour]
    count = ANY if item.count is None else item.count
    return kind, _encode_name(category), colour, _encode_name(item.size), count


def encode(described: Sequence[Scene] | Sequence[Description]) -> tuple[np.ndarray, np.ndarray]:
    """Encode scenes, or the claims of descriptions, as numbers.

    Return int8 arrays: settings (n, 3) with place, time and weather, and objects
    (n, MAX_GROUPS, 5) with kind, category, colour, size and count. ``ANY`` marks a trait that a
    description does not state and an object that a scene does not have.
    """
    settings = np.full((len(described), 3), ANY, np.int8)
    objects = np.full((len(described), MAX_GROUPS, 5), ANY, np.int8)
    items: Iterable[Scene | Description] = described
    for row, item in enumerate(items):
        settings[row] = (
            _encode_name(item.place),
            _encode_name(item.time),
            _encode_name(item.weather),
        )
        members: tuple[SceneObject | ObjectClaim, ...] = item.objects
        for group, member in enumerate(members):
            objects[row, group] = _encode_object(member)
    return settings, objects


def match_descriptions(
    scenes: tuple[np.ndarray, np.ndarray], claims: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return the descriptions that are true of each scene: bool, (scenes, descriptions)."""
    settings, objects = scenes
    claimed_settings, claimed_objects = claims
    fits = ((claimed_settings == ANY) | (claimed_settings == settings[:, None])).all(-1)
    claimed = claimed_objects[None, :, :, None]
    each = ((claimed == ANY) | (claimed == objects[:, None, None])).all(-1)
    return fits & each.any(-1).all(-1)


@dataclass(frozen=True)
class Batch:
    """Pictures with their labels. ``images``: float32 (n, 3, size, size), normalised.

    ``scenes``: the content of each picture; ``settings`` and ``objects``: the same as arrays,
    see ``encode``. ``boxes``: float32 (n, MAX_GROUPS, MAX_OBJECTS, 4), fractions of the cropped
    picture, zero for absent objects.
    """

    images: torch.Tensor
    scenes: list[Scene]
    settings: np.ndarray
    objects: np.ndarray
    boxes: np.ndarray

    def label_cells(self, grid: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the kind and colour of the object over the centre of each cell of a square grid.

        The result is two int64 tensors (n, grid, grid). Cells without an object have the kind
        ``NO_OBJECT`` and the colour -100, which the cross entropy ignores.
        """
        centres = (np.arange(grid, dtype=np.float32) + 0.5) / grid
        x, y = centres[None, None, None, :], centres[None, None, :, None]
        flat = self.boxes.reshape(len(self.boxes), -1, 4)
        left, top, right, bottom = (flat[:, :, i, None, None] for i in range(4))
        inside = (left <= x) & (x < right) & (top <= y) & (y < bottom)
        # Objects standing lower in the picture are drawn later and hide the others.
        front = np.where(inside, bottom, -1.0).argmax(1)
        group = front // MAX_OBJECTS
        rows = np.arange(len(flat))[:, None, None]
        empty = ~inside.any(1)
        kinds = np.where(empty, NO_OBJECT, self.objects[rows, group, 0])
        colours = np.where(empty, -100, self.objects[rows, group, 2])
        return torch.from_numpy(kinds).long(), torch.from_numpy(colours).long()


def compute_cell_loss(
    logits: torch.Tensor, labels: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """Return the cross entropy of the kinds and colours in cells.

    ``logits``: (n, NO_OBJECT + 1 + colours, grid, grid); ``labels``: see ``label_cells``.
    """
    weight = torch.ones(NO_OBJECT + 1)
    weight[NO_OBJECT] = _EMPTY_CELL_WEIGHT
    kinds, colours = labels
    logits = logits.float()
    return functional.cross_entropy(
        logits[:, : NO_OBJECT + 1], kinds, weight
    ) + 0.5 * functional.cross_entropy(logits[:, NO_OBJECT + 1 :], colours)


class SceneBatches:
    """Random batches of a rendered data set; batch ``step`` is a function of seed and step."""

    def __init__(self, directory: Path, batch_size: int, seed: int) -> None:
        self._pixels = np.load(directory / "pixels.npy", mmap_mode="r")
        self._boxes = np.load(directory / "boxes.npy", mmap_mode="r")
        done = np.load(directory / "done.npy")
        rendered = np.repeat(done, -(-len(self._pixels) // len(done)))[: len(self._pixels)]
        self._available = np.flatnonzero(rendered)
        self._scenes = sample_training_scenes(len(self._pixels))
        self._settings, self._objects = encode(self._scenes)
        self._batch_size, self._seed = batch_size, seed
        place_and_time = self._settings[:, 0].astype(int) * len(TIMES) + self._settings[:, 1]
        self._clusters = [
            np.flatnonzero(rendered & (codes == code))
            for codes in (self._objects[:, 0, 0], place_and_time)
            for code in np.unique(codes)
        ]

    def __len__(self) -> int:
        return len(self._available)

    def _choose(self, rng: np.random.Generator, *, similar: bool) -> np.ndarray:
        if not similar:
            return rng.choice(self._available, self._batch_size, replace=False)
        parts = 4
        chosen = [
            rng.choice(self._clusters[cluster], self._batch_size // parts)
            for cluster in rng.choice(len(self._clusters), parts, replace=False)
        ]
        return np.unique(np.concatenate(chosen))

    def make_batch(self, step: int, size: int, *, similar: bool = False) -> Batch:
        """Return the batch of ``step`` with pictures ``size`` pixels wide and high.

        In a ``similar`` batch each quarter shares a main kind, or a place and a time, so that
        the model has to use the other traits.
        """
        rng = np.random.default_rng((self._seed, step))
        rows = self._choose(rng, similar=similar)
        wide, high = rng.integers(_MIN_CROP, SIDE + 1, 2)
        lefts = rng.integers(0, SIDE - wide + 1, len(rows))
        tops = rng.integers(0, SIDE - high + 1, len(rows))
        flips = rng.random(len(rows)) < 0.5
        pixels = np.empty((len(rows), high, wide, 3), np.uint8)
        for index, (row, left, top, flip) in enumerate(zip(rows, lefts, tops, flips, strict=True)):
            crop = self._pixels[row, top : top + high, left : left + wide]
            pixels[index] = crop[:, ::-1] if flip else crop
        boxes = self._boxes[rows].astype(np.float32) * SIDE
        origin = np.stack([lefts, tops, lefts, tops], -1)[:, None, None].astype(np.float32)
        present = boxes[..., 2:3] > boxes[..., 0:1]
        boxes = (boxes - origin) / np.array([wide, high, wide, high], np.float32)
        boxes[flips] = boxes[flips][..., [2, 1, 0, 3]] * [-1, 1, -1, 1] + [1, 0, 1, 0]
        return Batch(
            _augment(torch.from_numpy(pixels), size, rng),
            [self._scenes[row] for row in rows],
            self._settings[rows],
            self._objects[rows],
            np.where(present, boxes, 0.0),
        )


def _augment(pixels: torch.Tensor, size: int, rng: np.random.Generator) -> torch.Tensor:
    """Resize, vary brightness and contrast a little, add noise and normalise.

    Takes uint8 (n, height, width, 3) and returns float32 (n, 3, size, size). Hues do not change,
    because the models have to learn colours.
    """
    images = pixels.permute(0, 3, 1, 2).float().div_(255)
    images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
    shape = (len(images), 1, 1, 1)
    gain = torch.from_numpy(rng.uniform(0.9, 1.1, shape).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.04, 0.04, shape).astype(np.float32))
    images.mul_(gain).add_(shift)
    if rng.random() < 0.5:
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        images.add_(torch.randn(images.shape, generator=generator), alpha=0.012)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return images.sub_(mean).div_(std)
