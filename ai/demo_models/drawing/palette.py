"""Colours: mixing, the light of each time of day, and the inks of an object."""

from __future__ import annotations

from dataclasses import dataclass

OBJECT_COLOURS = {
    "red": "#e2262f",
    "orange": "#fb8a1e",
    "yellow": "#ffd52e",
    "green": "#36ab4a",
    "blue": "#2c6fe0",
    "purple": "#8b3fc4",
    "pink": "#ff8fc4",
    "brown": "#8a5630",
    "black": "#2a2a31",
    "white": "#fbfbf8",
    "grey": "#8f959e",
}


def mix(first: str, second: str, share: float) -> str:
    """Blend two ``#rrggbb`` colours; ``share`` in [0, 1] is the weight of the second."""
    channels = (
        round(int(first[i : i + 2], 16) * (1 - share) + int(second[i : i + 2], 16) * share)
        for i in (1, 3, 5)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)


@dataclass(frozen=True)
class Light:
    """Colours of a time of day and a weather.

    ``tint`` is mixed into the landscape by ``landscape`` and into objects by ``objects``. The
    latter is small, because a red cat must still be recognisably red at night.
    """

    sky_top: str
    sky_bottom: str
    tint: str
    landscape: float
    objects: float

    def tint_landscape(self, colour: str, distance: float = 0.0) -> str:
        """Return the colour of a landscape layer; ``distance`` in [0, 1] fades it into the sky."""
        return mix(mix(colour, self.tint, self.landscape), self.sky_bottom, distance)

    def tint_object(self, colour: str) -> str:
        """Return the colour of a part of an object."""
        return mix(colour, self.tint, self.objects)


_TIMES = {
    "dawn": Light("#8fa6dc", "#fbd3dc", "#d9b0d6", 0.24, 0.05),
    "day": Light("#3f9fe8", "#c9ecfb", "#ffffff", 0.00, 0.00),
    "sunset": Light("#6a3f8f", "#ffa24f", "#f0703a", 0.30, 0.06),
    "night": Light("#0d1840", "#35508f", "#16245c", 0.60, 0.15),
}
_WEATHER_SKIES = {"cloudy": "#9aa7b5", "rain": "#66758a", "snow": "#c3cfdf", "fog": "#cdd3d8"}


def choose_light(time: str, weather: str) -> Light:
    """Return the light of a time of day in a weather."""
    light = _TIMES[time]
    if weather == "clear":
        return light
    grey = mix(_WEATHER_SKIES[weather], light.tint, 0.62 if time == "night" else light.landscape)
    return Light(
        mix(light.sky_top, grey, 0.62),
        mix(light.sky_bottom, grey, 0.5),
        mix(light.tint, grey, 0.5),
        light.landscape + (0.16 if time != "night" else 0.04),
        light.objects + 0.02,
    )


@dataclass(frozen=True)
class Ink:
    """The colours of one object: ``fill`` is its body (a gradient), the others are details."""

    fill: str
    base: str
    light: str
    dark: str
    outline: str
    cream: str
    glass: str
    metal: str
    night: str
    leaf: str
    wood: str
    gold: str


def mix_ink(colour: str, light: Light, gradient_name: str) -> Ink:
    """Return the inks of an object of ``colour`` in ``light``."""
    base = light.tint_object(OBJECT_COLOURS[colour])
    dark_share = {"white": 0.16, "black": 0.45, "yellow": 0.2}.get(colour, 0.28)
    shade = "#4a5878" if colour == "white" else "#12101c"
    return Ink(
        fill=f"url(#{gradient_name})",
        base=base,
        light=mix(base, "#ffffff", 0.16 if colour == "black" else 0.3),
        dark=mix(base, shade, dark_share),
        outline=mix(base, shade, 0.5 if colour != "black" else 0.8),
        cream=light.tint_object("#fff3dc"),
        glass=light.tint_object("#bfe6f7"),
        metal=light.tint_object("#c3cad3"),
        night=light.tint_object("#33343f"),
        leaf=light.tint_object("#4b9a52"),
        wood=light.tint_object("#a87546"),
        gold=light.tint_object("#f2c14e"),
    )
