"""Layers of landscapes: hills, ground, peaks, trees, water and grass."""

from __future__ import annotations

import math
import random

from ai.demo_models.drawing.shapes import gradient, line, path, rect


def draw_hills(rng: random.Random, y: float, rise: float, w: float, h: float, fill: str) -> str:
    """Draw a layer of soft hills from height y down to the bottom of the canvas."""
    phase, waves = rng.uniform(0, 6.3), rng.uniform(1.2, 2.2)
    points = [(w * i / 24, y + rise * math.sin(phase + waves * 6.283 * i / 24)) for i in range(25)]
    outline = " ".join(f"L{x:.0f} {top:.1f}" for x, top in points)
    return path(f"M0 {h} {outline} L{w:.0f} {h} Z", fill)


def draw_ground(rng: random.Random, y: float, w: float, h: float, top: str, bottom: str) -> str:
    """Draw the nearest ground from height y down, with a gradient from top to bottom."""
    name = f"ground{rng.randrange(10**9)}"
    return gradient(name, (0, top, 1), (1, bottom, 1)) + draw_hills(
        rng, y, 0.008 * h, w, h, f"url(#{name})"
    )


def draw_peaks(
    rng: random.Random, base: float, height: float, w: float, fill: str, snow: str | None
) -> str:
    """Draw a range of mountains on height ``base``, with snow caps if ``snow`` is a colour."""
    parts, x = "", -0.1 * w
    while x < w:
        half, top = rng.uniform(0.16, 0.26) * 1024, base - height * rng.uniform(0.7, 1.0)
        peak = x + half
        parts += path(f"M{x:.0f} {base} L{peak:.0f} {top:.0f} L{x + 2 * half:.0f} {base} Z", fill)
        if snow:
            d, drop = 0.3, (base - top)
            parts += path(
                f"M{peak:.0f} {top:.0f} L{peak + half * d:.0f} {top + drop * d:.0f} "
                f"l{-half * d * 0.6:.0f} {-drop * 0.06:.0f} "
                f"l{-half * d * 0.5:.0f} {drop * 0.09:.0f} "
                f"L{peak - half * d:.0f} {top + drop * d:.0f} Z",
                snow,
            )
        x += half * rng.uniform(0.9, 1.4)
    return parts


def draw_pine(x: float, base: float, height: float, fill: str, trunk: str) -> str:
    """Draw one pine with its trunk at (x, base)."""
    half = height * 0.27
    tiers = "".join(
        path(
            f"M{x:.0f} {base - height * top:.0f} L{x + half * width:.0f} {base - height * low:.0f} "
            f"L{x - half * width:.0f} {base - height * low:.0f} Z",
            fill,
        )
        for top, low, width in ((0.66, 0.1, 1.0), (0.84, 0.36, 0.8), (1.0, 0.6, 0.58))
    )
    stem = rect(x - height * 0.03, base - height * 0.12, height * 0.06, height * 0.12, trunk)
    return stem + tiers


def draw_ripples(rng: random.Random, top: float, bottom: float, w: float, colour: str) -> str:
    """Draw short waves between two heights, longer towards the viewer."""
    strokes = []
    for _ in range(26):
        y = rng.uniform(top, bottom)
        length = 20 + 60 * (y - top) / (bottom - top)
        strokes.append(f"M{rng.uniform(0, w):.0f} {y:.0f} q{length / 2:.0f} -5 {length:.0f} 0")
    return line(" ".join(strokes), colour, 3, stroke_opacity=0.5)


def draw_grass(rng: random.Random, top: float, w: float, h: float, colour: str, number: int) -> str:
    """Draw tufts of grass from height ``top`` down."""
    strokes = []
    for _ in range(number):
        x, y = rng.uniform(0, w), rng.uniform(top, h)
        strokes.append(f"M{x:.0f} {y:.0f} l-6 -13 m6 13 l0 -17 m0 17 l6 -13")
    return line(" ".join(strokes), colour, 2.6, stroke_opacity=0.7)
