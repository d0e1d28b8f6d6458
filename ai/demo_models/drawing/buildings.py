"""Vehicles and buildings, drawn in a box of 100 by 100 that stands on y = 98."""

from __future__ import annotations

from ai.demo_models.drawing.palette import Ink
from ai.demo_models.drawing.shapes import circle, ellipse, line, path, rect


def _draw_wheel(x: float, y: float, r: float, ink: Ink) -> str:
    return circle(x, y, r, ink.night) + circle(x, y, r * 0.5, ink.metal, stroke="none")


def car(ink: Ink) -> str:
    """A small rounded car, seen from the side."""
    return (
        path(
            "M3 84 L4 66 C6 60 20 58 24 57 L34 38 C38 34 66 34 70 38 L82 57 C94 60 97 64 97 72 "
            "L97 84 Z",
            ink.fill,
        )
        + path("M30 57 L38 42 L50 42 L50 57 Z M54 57 L54 42 L66 42 L75 57 Z", ink.glass)
        + line("M52 60 L52 82", ink.dark, 1.6)
        + line("M57 65 L63 65", ink.dark, 2.4)
        + circle(94, 69, 3.4, ink.gold)
        + rect(3, 67, 5, 6, "#d8443e", 1)
        + _draw_wheel(24, 86, 12, ink)
        + _draw_wheel(76, 86, 12, ink)
    )


def bus(ink: Ink) -> str:
    """A long bus with a row of windows."""
    windows = "".join(rect(x, 38, 13, 17, ink.glass, 2) for x in (10, 26, 42, 58))
    return (
        rect(3, 26, 94, 62, ink.fill, 9)
        + windows
        + rect(75, 38, 13, 44, ink.glass, 2)
        + line("M81.5 38 L81.5 82", ink.outline, 1.4)
        + rect(3, 62, 69, 6, ink.light, stroke="none")
        + rect(20, 28, 46, 6, ink.dark, 2, stroke="none")
        + circle(93, 74, 2.8, ink.gold)
        + _draw_wheel(24, 88, 10.5, ink)
        + _draw_wheel(62, 88, 10.5, ink)
    )


def bicycle(ink: Ink) -> str:
    """A bicycle whose frame has the colour."""
    wheels = "".join(
        circle(x, 76, 20, "none", stroke=ink.night, stroke_width=4.5)
        + line(
            f"M{x - 19} 76 L{x + 19} 76 M{x} 57 L{x} 95 M{x - 13} 63 L{x + 13} 89 "
            f"M{x + 13} 63 L{x - 13} 89",
            ink.metal,
            0.9,
        )
        for x in (23, 77)
    )
    frame = "M23 76 L40 44 L70 44 L77 76 M40 44 L50 76 L23 76 M50 76 L70 44 M38 36 L40 44"
    return (
        wheels
        + line(frame, ink.outline, 8.5)
        + line(frame, ink.base, 6)
        + line("M77 76 L67 28 L80 24", ink.base, 5)
        + line("M67 28 L80 24", ink.night, 5)
        + path("M26 34 C34 28 46 31 48 35 C44 39 34 40 26 34 Z", ink.night)
        + circle(50, 76, 5.5, ink.metal)
    )


def boat(ink: Ink) -> str:
    """A sailing boat; hull and mainsail share the colour."""
    return (
        line("M48 8 L48 72", ink.wood, 4)
        + path("M52 6 C74 22 86 44 88 64 L52 64 Z", ink.fill)
        + path("M44 16 C30 34 18 50 14 64 L44 64 Z", ink.light)
        + path("M48 4 L62 8 L48 12 Z", "#e2473f")
        + path("M4 70 L96 70 C92 86 84 96 74 96 L26 96 C16 96 8 86 4 70 Z", ink.fill)
        + rect(6, 75, 87, 5, ink.cream, stroke="none")
        + line("M2 98 Q10 93 18 98 T34 98 T50 98 T66 98 T82 98 T98 98", "#ffffff", 2.4)
    )


def plane(ink: Ink) -> str:
    """An aeroplane flying to the right and a little upwards."""
    body = (
        path("M40 46 L22 14 L32 12 L62 42 Z", ink.dark)
        + path("M8 52 L1 26 L12 26 L24 46 Z", ink.dark)
        + path(
            "M6 50 C20 40 70 38 88 43 C97 46 99 53 96 57 C86 66 30 66 14 60 C8 57 4 54 6 50 Z",
            ink.fill,
        )
        + path("M82 43 C89 45 93 48 94 51 L80 51 Z", ink.glass)
        + "".join(circle(x, 49, 2.5, ink.glass) for x in (34, 43, 52, 61, 70))
        + path("M46 57 L20 88 L32 89 L66 59 Z", ink.light)
        + ellipse(46, 78, 8, 4, ink.metal, transform="rotate(-4 46 78)")
    )
    return f'<g transform="rotate(-10 50 50)">{body}</g>'


def balloon(ink: Ink) -> str:
    """A hot-air balloon with a basket."""
    return (
        line("M34 66 L42 84 M66 66 L58 84 M50 70 L50 84", ink.wood, 1.8)
        + path(
            "M50 2 C80 2 92 26 84 46 C78 60 66 66 62 72 L38 72 C34 66 22 60 16 46 "
            "C8 26 20 2 50 2 Z",
            ink.fill,
        )
        + path("M50 2 C34 8 30 44 44 72 L56 72 C70 44 66 8 50 2 Z", ink.light)
        + path("M50 2 C46 20 46 52 50 72 C54 52 54 20 50 2 Z", ink.base)
        + path(
            "M17 48 C36 58 64 58 83 48 C80 54 76 58 73 61 C60 66 40 66 27 61 C23 57 19 53 17 48 Z",
            ink.dark,
        )
        + rect(40, 84, 20, 14, ink.wood, 3)
        + line("M40 89 L60 89", ink.outline, 1.4)
    )


def tent(ink: Ink) -> str:
    """A ridge tent with its door open."""
    return (
        path("M34 22 L58 18 L99 92 L78 98 Z", ink.dark)
        + path("M34 20 L80 98 L2 98 Z", ink.fill)
        + path("M36 40 L58 98 L20 98 Z", ink.night)
        + path("M36 40 L24 98 L12 98 Z", ink.light)
        + line("M34 22 L30 10 M34 22 L40 10", ink.wood, 3.2)
        + path("M38 10 L50 6 L47 13 Z", ink.gold)
    )


def rocket(ink: Ink) -> str:
    """A rocket at lift-off."""
    return (
        path("M40 78 C38 90 46 94 50 100 C54 94 62 90 60 78 Z", ink.gold)
        + path("M45 78 C45 86 48 88 50 93 C52 88 55 86 55 78 Z", "#f0662f", stroke="none")
        + path("M34 54 C20 60 16 72 18 86 L36 74 Z M66 54 C80 60 84 72 82 86 L64 74 Z", ink.dark)
        + path("M50 1 C70 18 74 50 66 78 L34 78 C26 50 30 18 50 1 Z", ink.fill)
        + path("M50 1 C58 8 63 16 66 25 C56 29 44 29 34 25 C37 16 42 8 50 1 Z", ink.light)
        + circle(50, 42, 9.5, ink.metal)
        + circle(50, 42, 6.3, ink.glass, stroke="none")
        + rect(34, 66, 32, 5, ink.cream, stroke="none")
        + path("M50 60 C54 66 54 80 50 86 C46 80 46 66 50 60 Z", ink.dark)
    )


def house(ink: Ink) -> str:
    """A house whose walls have the colour, with a gabled roof."""
    return (
        rect(68, 14, 10, 24, ink.wood)
        + rect(14, 46, 72, 52, ink.fill)
        + path("M4 50 L50 10 L96 50 L88 56 L50 24 L12 56 Z", ink.dark)
        + path("M50 24 L84 53 L16 53 Z", ink.light)
        + circle(50, 42, 5.5, ink.glass)
        + path("M42 98 L42 74 C42 66 58 66 58 74 L58 98 Z", ink.wood)
        + circle(55, 84, 1.6, ink.gold)
        + rect(20, 64, 15, 16, "#ffe9a0", 1)
        + rect(65, 64, 15, 16, "#ffe9a0", 1)
        + line("M27.5 64 L27.5 80 M20 72 L35 72 M72.5 64 L72.5 80 M65 72 L80 72", ink.outline, 1.6)
    )


def castle(ink: Ink) -> str:
    """A castle with two towers, battlements and a gate."""

    def tower(x: float) -> str:
        return (
            path(f"M{x} 98 L{x} 34 L{x + 24} 34 L{x + 24} 98 Z", ink.fill)
            + path(f"M{x - 3} 34 L{x + 12} 8 L{x + 27} 34 Z", ink.dark)
            + path(
                f"M{x + 9} 60 L{x + 9} 50 C{x + 9} 45 {x + 15} 45 {x + 15} 50 L{x + 15} 60 Z",
                "#ffe9a0",
            )
            + path(f"M{x + 12} 8 L{x + 12} 1 L{x + 22} 4 L{x + 12} 7", ink.gold)
        )

    return (
        path(
            "M24 98 L24 54 L32 54 L32 46 L41 46 L41 54 L46 54 L46 46 L55 46 L55 54 L60 54 L60 46 "
            "L68 46 L68 54 L76 54 L76 98 Z",
            ink.base,
        )
        + path("M38 98 L38 80 C38 66 62 66 62 80 L62 98 Z", ink.night)
        + line("M44 72 L44 98 M50 70 L50 98 M56 72 L56 98", ink.wood, 1.8)
        + tower(3)
        + tower(73)
    )


def lighthouse(ink: Ink) -> str:
    """A lighthouse with bands and a lit lantern."""
    return (
        path(
            "M55 20 L99 8 L99 34 Z M45 20 L1 8 L1 34 Z",
            "#fff0a6",
            stroke="none",
            fill_opacity=0.5,
        )
        + path("M40 28 L60 28 L68 98 L32 98 Z", ink.fill)
        + path("M38.4 42 L61.6 42 L63 54 L37 54 Z M35.8 66 L64.2 66 L65.6 78 L34.4 78 Z", ink.cream)
        + rect(42, 14, 16, 14, "#ffe27a", 1)
        + line("M50 14 L50 28", ink.outline, 1.4)
        + rect(36, 26, 28, 5, ink.night, 1)
        + path("M38 15 C40 4 60 4 62 15 Z", ink.dark)
        + circle(50, 4, 2.6, ink.gold)
        + path("M45 98 L45 88 C45 83 55 83 55 88 L55 98 Z", ink.wood)
    )
