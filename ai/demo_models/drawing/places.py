"""Landscapes and the living room: the background behind the objects, from back to front.

Every painter takes a random generator, the light and the size of the canvas, and returns SVG.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ai.demo_models.drawing.palette import Light, mix
from ai.demo_models.drawing.shapes import circle, ellipse, gradient, line, path, rect
from ai.demo_models.drawing.terrain import (
    draw_grass,
    draw_ground,
    draw_hills,
    draw_peaks,
    draw_pine,
    draw_ripples,
)

Painter = Callable[[random.Random, Light, float, float], str]


def beach(rng: random.Random, light: Light, w: float, h: float) -> str:
    """Sea to the horizon, foam, sand with shells and a palm."""
    tint = light.tint_landscape
    sea = f"sea{rng.randrange(10**9)}"
    shore = 0.70 * h
    foam = (
        f"M0 {shore} C{w * 0.25} {shore + 26} {w * 0.4} {shore - 20} {w * 0.6} {shore + 6} "
        f"S{w * 0.9} {shore + 18} {w} {shore - 8}"
    )
    x, lean = (0.07 * w, 1) if rng.random() < 0.5 else (0.93 * w, -1)
    crown_x, crown_y = x + lean * 26, 0.36 * h
    fronds = "".join(
        path(
            "M0 0 C30 -34 76 -30 104 12 C72 -4 36 -2 0 0 Z",
            tint("#3f9b57"),
            transform=f"translate({crown_x:.0f} {crown_y:.0f}) rotate({angle})",
        )
        for angle in (-150, -108, -62, -18, 22, 150)
    )
    return (
        gradient(sea, (0, tint("#2f8fc4", 0.25), 1), (1, tint("#53c9cf"), 1))
        + rect(0, 0.50 * h, w, 0.5 * h, f"url(#{sea})")
        + draw_ripples(rng, 0.53 * h, 0.67 * h, w, mix(tint("#ffffff"), light.sky_bottom, 0.2))
        + path(f"{foam} L{w} {h} L0 {h} Z", tint("#f2d9a2"))
        + line(foam, tint("#ffffff"), 14, stroke_opacity=0.9)
        + path(
            f"M0 {h} L0 {0.9 * h} Q{w / 2} {0.83 * h} {w} {0.91 * h} L{w} {h} Z", tint("#e9c98a")
        )
        + path(
            f"M{x - 11:.0f} {0.8 * h:.0f} Q{x + lean * 4:.0f} {0.56 * h:.0f} {crown_x - 5:.0f} "
            f"{crown_y:.0f} L{crown_x + 5:.0f} {crown_y:.0f} "
            f"Q{x + lean * 26:.0f} {0.58 * h:.0f} "
            f"{x + 14:.0f} {0.8 * h:.0f} Z",
            tint("#9b6b43"),
        )
        + fronds
        + "".join(
            circle(
                rng.uniform(0, w), rng.uniform(0.78, 0.98) * h, rng.uniform(2, 4.5), tint("#fff4dd")
            )
            for _ in range(12)
        )
    )


def forest(rng: random.Random, light: Light, w: float, h: float) -> str:
    """Three rows of pines and a mossy clearing."""
    tint = light.tint_landscape
    parts = ""
    for base, height, colour, distance in (
        (0.62, 0.34, "#3f7f5c", 0.45),
        (0.66, 0.44, "#2f6f4d", 0.2),
        (0.69, 0.52, "#245c40", 0.0),
    ):
        number = 11
        fill = tint(colour, distance)
        for index in range(number + 1):
            if base > 0.68 and 3 <= index <= number - 3:
                continue  # The nearest row leaves the middle free.
            x = w * (index + rng.uniform(-0.35, 0.35)) / number
            parts += draw_pine(
                x, base * h, height * h * rng.uniform(0.8, 1.1), fill, tint("#6b4a32")
            )
    return (
        parts
        + draw_ground(rng, 0.65 * h, w, h, tint("#5c9a55"), tint("#3f7d46"))
        + draw_grass(rng, 0.7 * h, w, h, tint("#2f6b3b"), 30)
        + "".join(
            ellipse(rng.uniform(0, w), rng.uniform(0.7, 0.97) * h, 14, 6, tint("#8cb86b"))
            for _ in range(9)
        )
    )


def city(rng: random.Random, light: Light, w: float, h: float) -> str:
    """Two rows of buildings with lit windows, a pavement and a road."""
    tint = light.tint_landscape
    parts = ""
    lit = mix("#cfe5f2", "#ffdf87", min(1.0, 2.2 * light.landscape))
    for base, colours, distance, low, high in (
        (0.66, ("#8aa0b8", "#9fb0c4"), 0.45, 0.26, 0.46),
        (0.68, ("#b8806a", "#7f93ab", "#c9a77c", "#8f7fa5"), 0.05, 0.16, 0.34),
    ):
        x = -30.0
        while x < w:
            width, height = rng.uniform(80, 135), rng.uniform(low, high) * h
            top = base * h - height
            parts += rect(x, top, width - 4, height, tint(rng.choice(colours), distance), 2)
            marks = "".join(
                f"M{x + dx:.0f} {top + dy:.0f} h13 v18 h-13 Z "
                for dx in range(13, int(width) - 22, 27)
                for dy in range(16, int(height) - 18, 34)
                if rng.random() < 0.75
            )
            parts += path(marks, mix(lit, light.sky_bottom, 0.6 * distance)) if marks else ""
            x += width
    dashes = " ".join(f"M{x} {0.885 * h:.0f} h60" for x in range(20, int(w), 130))
    return (
        parts
        + rect(0, 0.67 * h, w, 0.34 * h, tint("#c9c4bb"))
        + line(f"M0 {0.735 * h} H{w}", tint("#a9a49b"), 5)
        + rect(0, 0.76 * h, w, 0.24 * h, tint("#737884"))
        + line(dashes, tint("#f4efe2"), 7)
    )


def mountains(rng: random.Random, light: Light, w: float, h: float) -> str:
    """Two ranges of snow-capped mountains behind an alpine meadow."""
    tint = light.tint_landscape
    return (
        draw_peaks(rng, 0.66 * h, 0.44 * h, w, tint("#8fa3c4", 0.4), tint("#ffffff", 0.15))
        + draw_peaks(rng, 0.68 * h, 0.34 * h, w, tint("#6f7f9f", 0.1), tint("#ffffff"))
        + draw_hills(rng, 0.66 * h, 14, w, h, tint("#6d9c77"))
        + draw_ground(rng, 0.72 * h, w, h, tint("#93b46f"), tint("#6d9653"))
        + "".join(
            ellipse(
                rng.uniform(0, w),
                rng.uniform(0.75, 0.97) * h,
                rng.uniform(10, 24),
                rng.uniform(6, 11),
                tint("#9a9c9f"),
            )
            for _ in range(9)
        )
    )


def desert(rng: random.Random, light: Light, w: float, h: float) -> str:
    """Dunes, mesas and cacti."""
    tint = light.tint_landscape
    mesa = "".join(
        path(
            f"M{x:.0f} {0.62 * h:.0f} l26 {-height:.0f} h{width:.0f} l30 {height:.0f} Z",
            tint("#c4633f", 0.3),
        )
        for x, width, height in (
            (w * rng.uniform(0.0, 0.2), 130, rng.uniform(90, 150)),
            (w * rng.uniform(0.5, 0.8), 90, rng.uniform(70, 180)),
        )
    )
    cacti = "".join(
        line(
            f"M{x:.0f} {0.70 * h:.0f} v-96 m0 60 h-26 v-30 m26 12 h26 v-34",
            tint("#4f8f5b"),
            17,
            stroke_linejoin="round",
        )
        for x in (w * rng.uniform(0.05, 0.3), w * rng.uniform(0.7, 0.95))
    )
    return (
        mesa
        + draw_hills(rng, 0.60 * h, 16, w, h, tint("#e9b06b", 0.1))
        + draw_hills(rng, 0.66 * h, 20, w, h, tint("#eebf7c"))
        + cacti
        + draw_hills(rng, 0.75 * h, 18, w, h, tint("#e3a75f"))
        + draw_hills(rng, 0.89 * h, 14, w, h, tint("#d4934d"))
    )


def meadow(rng: random.Random, light: Light, w: float, h: float) -> str:
    """Green hills dotted with flowers."""
    tint = light.tint_landscape
    flowers = "".join(
        circle(
            rng.uniform(0, w),
            rng.uniform(0.74, 0.99) * h,
            rng.uniform(4, 7),
            tint(rng.choice(("#ffffff", "#ffe27a", "#f7b0cf"))),
        )
        for _ in range(48)
    )
    return (
        draw_hills(rng, 0.56 * h, 26, w, h, tint("#a5d48f", 0.25))
        + draw_hills(rng, 0.62 * h, 24, w, h, tint("#8ccb6f", 0.05))
        + draw_ground(rng, 0.69 * h, w, h, tint("#7cc75c"), tint("#58ab46"))
        + draw_grass(rng, 0.72 * h, w, h, tint("#3f9140"), 34)
        + flowers
    )


def lake(rng: random.Random, light: Light, w: float, h: float) -> str:
    """A lake between wooded banks, with reeds and water lilies."""
    tint = light.tint_landscape
    water = f"water{rng.randrange(10**9)}"
    far = "".join(
        circle(
            w * i / 17, 0.505 * h - rng.uniform(0, 18), rng.uniform(24, 44), tint("#5f9a73", 0.25)
        )
        for i in range(18)
    )
    reeds = "".join(
        line(
            f"M{x:.0f} {0.8 * h:.0f} q{bend:.0f} -50 {bend * 1.5:.0f} -{height:.0f}",
            tint("#5d7f3a"),
            5,
        )
        + ellipse(x + bend * 1.5, 0.8 * h - height, 6, 19, tint("#7a5230"))
        for x, bend, height in (
            (side * w + rng.uniform(-34, 34), rng.uniform(-12, 12), rng.uniform(80, 140))
            for side in (0.04, 0.05, 0.07, 0.94, 0.95, 0.97)
        )
    )
    lilies = "".join(
        ellipse(rng.uniform(0.05, 0.95) * w, rng.uniform(0.62, 0.72) * h, 24, 7, tint("#5fae6a"))
        for _ in range(6)
    )
    return (
        far
        + gradient(water, (0, tint("#8ec9dd", 0.3), 1), (1, tint("#3b86b5"), 1))
        + rect(0, 0.52 * h, w, 0.3 * h, f"url(#{water})")
        + draw_ripples(rng, 0.55 * h, 0.74 * h, w, tint("#e6f5fa"))
        + lilies
        + path(
            f"M0 {h} L0 {0.73 * h} Q{w * 0.3} {0.79 * h} {w * 0.55} {0.77 * h} "
            f"T{w} {0.745 * h} L{w} {h} Z",
            tint("#86b45c"),
        )
        + path(
            f"M0 {h} L0 {0.87 * h} Q{w * 0.5} {0.82 * h} {w} {0.89 * h} L{w} {h} Z", tint("#6f9f4c")
        )
        + reeds
    )


def snowfield(rng: random.Random, light: Light, w: float, h: float) -> str:
    """White hills with a few snow-laden pines."""

    def shade(colour: str) -> str:
        # Pure white would give a white object no contrast, so snow is bluish.
        return mix(colour, light.tint, 0.85 * light.landscape)

    pines = ""
    for _ in range(8):
        x, base = rng.uniform(0, w), rng.uniform(0.60, 0.66) * h
        height = rng.uniform(0.12, 0.2) * h
        pines += draw_pine(x, base, height, shade("#5f8f8f"), shade("#7a6152"))
        pines += draw_pine(
            x, base - height * 0.55, height * 0.47, shade("#f4faff"), shade("#f4faff")
        )
    drifts = "".join(
        ellipse(
            rng.uniform(0, w),
            rng.uniform(0.76, 0.97) * h,
            rng.uniform(50, 120),
            8,
            shade("#bcd3e8"),
        )
        for _ in range(9)
    )
    return (
        draw_hills(rng, 0.57 * h, 22, w, h, shade("#d3e2f0"))
        + pines
        + draw_hills(rng, 0.65 * h, 16, w, h, shade("#e0ecf7"))
        + draw_ground(rng, 0.73 * h, w, h, shade("#e4eff9"), shade("#c9dcee"))
        + drifts
    )


def farm(rng: random.Random, light: Light, w: float, h: float) -> str:
    """Ploughed fields, a barn, a wooden fence and hay bales."""
    tint = light.tint_landscape
    x = w * rng.choice((rng.uniform(0.04, 0.2), rng.uniform(0.62, 0.78)))
    y = 0.60 * h
    barn = (
        rect(x, y - 80, 140, 84, tint("#a8483c"))
        + path(f"M{x - 12:.0f} {y - 76:.0f} l30 -48 l64 -24 l64 24 l28 48 Z", tint("#6d5a52"))
        + rect(x + 48, y - 50, 44, 54, tint("#f0e6d6"))
        + line(f"M{x + 48:.0f} {y - 50:.0f} l44 54 m0 -54 l-44 54", tint("#a8483c"), 4)
    )
    rows = "".join(
        path(
            f"M{w * (0.5 + (i - 6) * 0.07):.0f} {0.645 * h:.0f} h14 "
            f"L{w * (0.5 + (i - 6) * 0.2) + 60:.0f} {h} h-70 Z",
            tint("#c29a55"),
        )
        for i in range(13)
    )
    posts = "".join(rect(px, 0.625 * h, 11, 62, tint("#e3d3b8"), 3) for px in range(10, int(w), 78))
    rails = "".join(rect(0, fy * h, w, 9, tint("#e3d3b8")) for fy in (0.64, 0.672))
    return (
        draw_hills(rng, 0.56 * h, 16, w, h, tint("#b5c873", 0.2))
        + barn
        + draw_hills(rng, 0.605 * h, 6, w, h, tint("#9dbb5a"))
        + rect(0, 0.645 * h, w, 0.36 * h, tint("#d9b46a"))
        + rows
        + rails
        + posts
    )


def living_room(rng: random.Random, light: Light, w: float, h: float) -> str:
    """A wall with a wide window, a sofa, a rug and a wooden floor.

    The wall has a hole as its window, through which the sky drawn before it is visible.
    """

    def tint_room(colour: str) -> str:
        return mix(colour, light.tint, 0.62 * light.landscape)

    left, right, top, bottom = 0.2 * w, 0.8 * w, 0.07 * h, 0.47 * h
    middle = (left + right) / 2
    wall = f"M0 0 H{w} V{0.67 * h} H0 Z M{left} {top} V{bottom} H{right} V{top} Z"
    frame = f"M{left} {top} H{right} V{bottom} H{left} Z M{middle} {top} V{bottom}"
    curtains = "".join(
        path(
            f"M{x - 46:.0f} {top - 22:.0f} h92 q-14 120 -6 {bottom - top + 70:.0f} h-80 "
            f"q8 -120 -6 -{bottom - top + 70:.0f} Z",
            tint_room("#d99a7c"),
        )
        for x in (left - 10, right + 10)
    )
    boards = " ".join(f"M0 {y * h:.0f} H{w}" for y in (0.73, 0.8, 0.88, 0.95))
    sofa_x = w * rng.uniform(0.24, 0.34)
    sofa = (
        rect(sofa_x, 0.49 * h, 0.42 * w, 0.15 * h, tint_room("#7ba39a"), 22)
        + rect(sofa_x - 26, 0.555 * h, 62, 0.125 * h, tint_room("#6a9188"), 18)
        + rect(sofa_x + 0.42 * w - 36, 0.555 * h, 62, 0.125 * h, tint_room("#6a9188"), 18)
        + rect(sofa_x + 20, 0.585 * h, 0.42 * w - 40, 0.09 * h, tint_room("#8db5ac"), 10)
    )
    return (
        path(wall, tint_room("#f3e3cd"), fill_rule="evenodd")
        + line(frame, tint_room("#ffffff"), 11)
        + line(f"M{left - 70} {top - 24} H{right + 70}", tint_room("#9b6b43"), 8)
        + curtains
        + rect(0, 0.655 * h, w, 0.35 * h, tint_room("#c99a68"))
        + rect(0, 0.645 * h, w, 12, tint_room("#fff8ec"))
        + line(boards, tint_room("#b08354"), 3)
        + sofa
        + ellipse(w / 2, 0.86 * h, 0.44 * w, 0.105 * h, tint_room("#e9d7c3"))
        + ellipse(w / 2, 0.86 * h, 0.38 * w, 0.085 * h, tint_room("#d7b6a0"))
    )


PAINTERS: dict[str, Painter] = {
    "beach": beach,
    "forest": forest,
    "city": city,
    "mountains": mountains,
    "desert": desert,
    "meadow": meadow,
    "lake": lake,
    "snowfield": snowfield,
    "farm": farm,
    "living room": living_room,
}
