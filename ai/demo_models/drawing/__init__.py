"""Drawing of scenes as flat illustrations: SVG, so a picture looks the same at every size."""

from __future__ import annotations

import io
import random

import resvg_py
from PIL import Image

from ai.demo_models.drawing import belongings, buildings, household, living
from ai.demo_models.drawing.layout import Placement, arrange
from ai.demo_models.drawing.palette import Ink, Light, choose_light, mix_ink
from ai.demo_models.drawing.places import PAINTERS
from ai.demo_models.drawing.shapes import ellipse, gradient, group
from ai.demo_models.drawing.sky import draw_sky, draw_weather_behind, draw_weather_in_front
from ai.demo_models.scenes import KINDS, Scene

HEIGHT = 768
ASPECTS = (4 / 3, 1.0)

_PAINTERS = {
    kind: next(
        getattr(theme, kind.replace(" ", "_"))
        for theme in (living, household, buildings, belongings)
        if hasattr(theme, kind.replace(" ", "_"))
    )
    for kind in KINDS
}


def choose_aspect_ratio(scene: Scene) -> float:
    """Return width divided by height of the picture of ``scene``, one of ``ASPECTS``."""
    return ASPECTS[0] if scene.seed % 4 else ASPECTS[1]


def _draw_shadow(placement: Placement, light: Light, setting: str) -> str:
    if setting in ("air", "water"):
        return ""
    x, y = placement.x + placement.side / 2, placement.y + placement.side * 0.975
    return "".join(
        ellipse(
            x,
            y,
            placement.side * rx,
            placement.side * ry,
            light.tint_landscape("#1c2233"),
            fill_opacity=0.13,
        )
        for rx, ry in ((0.54, 0.085), (0.46, 0.065), (0.36, 0.045))
    )


def _draw_object(kind: str, ink: Ink, placement: Placement) -> str:
    scale = placement.side / 100
    return group(
        _PAINTERS[kind](ink),
        transform=f"translate({placement.x:.1f} {placement.y:.1f}) scale({scale:.4f})",
        stroke=ink.outline,
        stroke_width=1.3,
        stroke_linejoin="round",
    )


def render_svg(scene: Scene) -> str:
    """Return the picture of ``scene`` as an SVG document, 768 units high."""
    width, height = round(HEIGHT * choose_aspect_ratio(scene)), HEIGHT
    rng = random.Random(scene.seed * 2)
    light = choose_light(scene.time, scene.weather)
    inks, definitions = [], ""
    for index, item in enumerate(scene.objects):
        ink = mix_ink(item.colour, light, f"body{index}")
        inks.append(ink)
        definitions += gradient(
            f"body{index}", (0, ink.light, 1), (0.45, ink.base, 1), (1, ink.dark, 1)
        )
    body = draw_sky(rng, light, scene.time, scene.weather, width, height)
    body += PAINTERS[scene.place](rng, light, width, height)
    body += draw_weather_behind(rng, light, scene.weather, width, height)
    placements = arrange(scene, width, height)
    for placement in placements:
        kind = scene.objects[placement.group].kind
        body += _draw_shadow(placement, light, KINDS[kind].setting)
        body += _draw_object(kind, inks[placement.group], placement)
    body += draw_weather_in_front(rng, light, scene.weather, width, height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f"<defs>{definitions}</defs>{body}</svg>"
    )


def draw_scene(scene: Scene, width: int = 1024) -> Image.Image:
    """Draw ``scene`` as an RGB image ``width`` pixels wide; its height follows from the aspect."""
    png = resvg_py.svg_to_bytes(svg_string=render_svg(scene), width=width, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGB")


def locate_objects(scene: Scene) -> list[list[tuple[float, float, float, float]]]:
    """Return (left, top, right, bottom) of each object by group, as fractions of the picture."""
    width, height = HEIGHT * choose_aspect_ratio(scene), HEIGHT
    boxes: list[list[tuple[float, float, float, float]]] = [[] for _ in scene.objects]
    for item in arrange(scene, round(width), height):
        boxes[item.group].append(
            (
                item.x / width,
                item.y / height,
                (item.x + item.side) / width,
                (item.y + item.side) / height,
            )
        )
    return boxes
