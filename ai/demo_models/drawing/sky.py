"""Skies and weather."""

from __future__ import annotations

import random

from ai.demo_models.drawing.palette import Light, mix
from ai.demo_models.drawing.shapes import circle, ellipse, gradient, line, rect


def _draw_cloud(x: float, y: float, scale: float, colour: str) -> str:
    puffs = ((0, 0, 62, 20), (-34, -8, 26, 18), (-4, -20, 34, 26), (32, -9, 28, 19))
    return "".join(
        ellipse(x + dx * scale, y + dy * scale, rx * scale, ry * scale, colour)
        for dx, dy, rx, ry in puffs
    )


def _draw_clouds(
    rng: random.Random, light: Light, weather: str, width: float, height: float
) -> str:
    number = {"clear": 2, "cloudy": 8, "rain": 8, "snow": 6, "fog": 2}[weather]
    white = mix("#ffffff", light.sky_top, 0.12 + 0.75 * light.landscape)
    colour = {"rain": mix(white, "#4a5568", 0.5), "cloudy": mix(white, "#7d8894", 0.22)}
    return "".join(
        _draw_cloud(
            width * (index + rng.uniform(0.1, 0.9)) / number,
            height * rng.uniform(0.07, 0.30),
            rng.uniform(0.8, 1.3) * (1.0 if weather == "clear" else 1.75),
            colour.get(weather, white),
        )
        for index in range(number)
    )


def _draw_stars(rng: random.Random, width: float, height: float) -> str:
    return "".join(
        circle(
            rng.uniform(0, width),
            rng.uniform(0, 0.5 * height),
            rng.uniform(1.2, 3.2),
            "#fff8dc",
            fill_opacity=round(rng.uniform(0.5, 1), 2),
        )
        for _ in range(46)
    )


def _draw_sun_or_moon(
    rng: random.Random, light: Light, time: str, width: float, height: float
) -> str:
    x = width * rng.uniform(0.12, 0.88)
    if time == "night":
        y = height * rng.uniform(0.11, 0.2)
        return (
            circle(x, y, 95, "#fdf6d8", fill_opacity=0.12)
            + circle(x, y, 44, "#fdf3c8")
            + circle(x + 17, y - 11, 36, mix(light.sky_top, light.sky_bottom, 0.28))
        )
    low = {"dawn": 0.43, "sunset": 0.45, "day": 0.14}[time]
    y = height * (low + rng.uniform(-0.03, 0.03))
    colour = {"dawn": "#fff0d2", "sunset": "#ffe07a", "day": "#fff3a8"}[time]
    radius = {"dawn": 52, "sunset": 74, "day": 54}[time]
    return "".join(
        circle(x, y, radius * scale, colour, fill_opacity=opacity)
        for scale, opacity in ((2.5, 0.13), (1.65, 0.25), (1.0, 1.0))
    )


def draw_sky(rng: random.Random, light: Light, time: str, weather: str, w: float, h: float) -> str:
    """Draw the whole sky of a canvas of w by h: gradient, sun or moon, stars and clouds."""
    name = f"sky{rng.randrange(10**9)}"
    parts = gradient(name, (0, light.sky_top, 1), (0.62, light.sky_bottom, 1))
    parts += rect(0, 0, w, h, f"url(#{name})")
    if weather == "clear":
        parts += _draw_stars(rng, w, h) if time == "night" else ""
        parts += _draw_sun_or_moon(rng, light, time, w, h)
    return parts + _draw_clouds(rng, light, weather, w, h)


def _draw_rain(rng: random.Random, number: int, width: float, height: float, opacity: float) -> str:
    drops = []
    for _ in range(number):
        x, y, length = rng.uniform(0, width), rng.uniform(-20, height), rng.uniform(26, 48)
        drops.append(f"M{x:.0f} {y:.0f} l{-0.28 * length:.0f} {length:.0f}")
    return line(" ".join(drops), "#dcebf7", 2.6, stroke_opacity=opacity)


def _draw_snow(rng: random.Random, number: int, width: float, height: float) -> str:
    return "".join(
        circle(
            rng.uniform(0, width),
            rng.uniform(0, height),
            rng.uniform(3, 7.5),
            "#ffffff",
            fill_opacity=0.9,
        )
        for _ in range(number)
    )


def _draw_fog(rng: random.Random, light: Light, width: float, height: float, opacity: float) -> str:
    colour = mix("#eef1f3", light.tint, 0.35 * light.landscape + 0.1)
    bands = "".join(
        ellipse(
            width * rng.uniform(0.1, 0.9),
            height * y,
            width * rng.uniform(0.45, 0.75),
            height * rng.uniform(0.035, 0.06),
            colour,
            fill_opacity=opacity,
        )
        for y in (0.3, 0.39, 0.48, 0.57, 0.66, 0.76)
    )
    return rect(0, 0, width, height, colour, fill_opacity=opacity * 0.75) + bands


def draw_weather_behind(rng: random.Random, light: Light, weather: str, w: float, h: float) -> str:
    """Draw most of the weather, between the landscape and the objects."""
    if weather == "rain":
        return _draw_rain(rng, 150, w, h, 0.75)
    if weather == "snow":
        return _draw_snow(rng, 110, w, h)
    if weather == "fog":
        return _draw_fog(rng, light, w, h, 0.42)
    return ""


def draw_weather_in_front(
    rng: random.Random, light: Light, weather: str, w: float, h: float
) -> str:
    """Draw a little weather in front of the objects, so that they remain easy to recognise."""
    if weather == "rain":
        return _draw_rain(rng, 36, w, h, 0.5)
    if weather == "snow":
        return _draw_snow(rng, 30, w, h)
    if weather == "fog":
        return _draw_fog(rng, light, w, h, 0.10)
    return ""
