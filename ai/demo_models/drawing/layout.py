"""Positions of the objects of a scene in its picture."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ai.demo_models.scenes import KINDS, WATER_PLACES, Scene

SIDES = {"small": 0.185, "medium": 0.285, "large": 0.42}
_SPACING = 0.95
_CANDIDATES = 30


@dataclass(frozen=True)
class Placement:
    """One object of group ``group``: a square of ``side`` whose upper left corner is (x, y)."""

    group: int
    x: float
    y: float
    side: float


def _choose_baseline(rng: random.Random, setting: str, side: float, back: float) -> float:
    """Choose the lower edge as a fraction of the canvas; ``back`` is the rearmost one on land."""
    if setting == "air":
        return rng.uniform(max(0.19, side + 0.03), 0.40) if side < 0.34 else rng.uniform(0.45, 0.52)
    if setting == "water":
        return rng.uniform(0.655, 0.70)
    return rng.uniform(back, 0.955)


def _propose_placements(
    rng: random.Random, scene: Scene, group: int, width: float, height: float
) -> list[Placement]:
    item = scene.objects[group]
    unit = min(height, 0.92 * width)
    side = SIDES[item.size] * unit * rng.uniform(0.95, 1.05)
    pitch = side * _SPACING
    span = side + pitch * (item.count - 1)
    margin = 0.025 * width
    left = rng.uniform(margin, max(margin, width - margin - span))
    setting = KINDS[item.kind].setting
    shore = 0.80 if scene.place in WATER_PLACES else 0.70
    base = height * _choose_baseline(rng, setting, side / height, 0.88 if group == 0 else shore)
    wobble = 0.16 * side if setting == "air" else 0.04 * side
    return [
        Placement(
            group,
            left + pitch * index,
            min(base + rng.uniform(-wobble, wobble), 0.985 * height) - side,
            side,
        )
        for index in range(item.count)
    ]


def _overlap_area(first: Placement, second: Placement) -> float:
    wide = min(first.x + first.side, second.x + second.side) - max(first.x, second.x)
    high = min(first.y + first.side, second.y + second.side) - max(first.y, second.y)
    return max(wide, 0.0) * max(high, 0.0)


def arrange(scene: Scene, width: float, height: float) -> list[Placement]:
    """Place all objects of ``scene`` on a canvas; the best of a few random tries for each group.

    The result is sorted from back to front, which is the order of drawing.
    """
    rng = random.Random(scene.seed * 2 + 1)
    placed: list[Placement] = []
    for group in range(len(scene.objects)):
        best: list[Placement] = []
        min_overlap = float("inf")
        for _ in range(_CANDIDATES):
            candidate = _propose_placements(rng, scene, group, width, height)
            overlap = sum(_overlap_area(one, other) for one in candidate for other in placed)
            if overlap < min_overlap:
                best, min_overlap = candidate, overlap
            if min_overlap == 0:
                break
        placed += best
    return sorted(placed, key=lambda item: item.y + item.side)
