"""Animals and plants, drawn in a box of 100 by 100 that stands on y = 98."""

from __future__ import annotations

from ai.demo_models.drawing.palette import Ink
from ai.demo_models.drawing.shapes import circle, ellipse, line, path


def _draw_eye(x: float, y: float, r: float = 2.6) -> str:
    return circle(x, y, r, "#1d1b26", stroke="none") + circle(
        x + r * 0.3, y - r * 0.35, r * 0.35, "#ffffff", stroke="none"
    )


def cat(ink: Ink) -> str:
    """A sitting cat, seen from the front, with its tail curled up."""
    return (
        line("M68 90 C96 92 98 66 86 54", ink.outline, 11)
        + line("M68 90 C96 92 98 66 86 54", ink.base, 8)
        + path("M28 98 C22 72 34 52 50 52 C66 52 78 72 72 98 Z", ink.fill)
        + ellipse(50, 82, 11, 15, ink.light, stroke="none")
        + path("M25 8 L31 32 L48 21 Z M75 8 L69 32 L52 21 Z", ink.base)
        + path("M29.5 15 L33 29 L42 22 Z M70.5 15 L67 29 L58 22 Z", "#f7a8b4", stroke="none")
        + ellipse(50, 37, 27, 22, ink.fill)
        + _draw_eye(40, 35, 3.8)
        + _draw_eye(60, 35, 3.8)
        + path("M47 42 L53 42 L50 46 Z", "#e8788c", stroke="none")
        + line("M50 46 Q46 51 42 48 M50 46 Q54 51 58 48", ink.outline, 1.4)
        + line("M33 43 L16 40 M33 46 L17 49 M67 43 L84 40 M67 46 L83 49", ink.outline, 1.1)
        + line("M43 98 L43 84 M57 98 L57 84", ink.outline, 1.5)
    )


def dog(ink: Ink) -> str:
    """A standing dog, seen from the side, with hanging ears."""
    return (
        line("M20 56 C8 50 6 36 10 30", ink.outline, 9)
        + line("M20 56 C8 50 6 36 10 30", ink.base, 6)
        + path("M18 98 L18 58 C22 48 54 48 62 52 L66 98 L55 98 L53 76 L32 76 L30 98 Z", ink.fill)
        + path("M52 60 L56 22 C70 12 82 18 84 28 L96 34 C99 44 92 50 80 49 L72 66 Z", ink.fill)
        + path("M57 20 C44 26 44 46 52 54 C62 50 66 34 65 22 Z", ink.dark)
        + ellipse(95, 36, 4.6, 4, "#1d1b26", stroke="none")
        + _draw_eye(76, 29, 3)
        + path("M53 58 L71 66 L69 71 L52 63 Z", "#d8443e" if ink.base != "#d8443e" else ink.gold)
        + circle(61, 69, 3, ink.gold)
    )


def horse(ink: Ink) -> str:
    """A standing horse with mane and tail."""
    return (
        path("M16 48 C2 54 4 74 8 86 C16 78 14 62 22 54 Z", ink.dark)
        + path(
            "M16 50 C20 42 48 46 58 40 L70 14 L76 6 L80 14 C88 20 96 30 97 37 "
            "C94 43 88 42 84 37 L78 38 C77 54 75 62 72 66 L73 98 L65 98 L62 70 "
            "L36 70 L33 98 L25 98 L24 72 C18 68 14 60 16 50 Z",
            ink.fill,
        )
        + path("M75 8 C62 14 54 30 52 44 L60 44 C64 32 70 22 77 16 Z", ink.dark)
        + path("M32 70 L29 98 L37 98 L42 70 Z M62 70 L57 98 L65 98 L68 70 Z", ink.dark)
        + _draw_eye(82, 24, 2.6)
        + line("M90 38 L94 38", ink.outline, 1.2)
    )


def bird(ink: Ink) -> str:
    """A flying bird with one raised wing."""
    return (
        path("M20 62 L2 54 L6 66 L2 76 L22 70 Z", ink.dark)
        + path("M16 66 C24 46 58 40 72 46 C84 50 80 72 62 78 C42 84 24 80 16 66 Z", ink.fill)
        + path("M58 56 C50 34 34 14 14 8 C16 30 24 50 40 64 Z", ink.base)
        + line("M22 16 C30 30 36 44 46 56 M30 20 C38 32 42 42 50 54", ink.dark, 1.6)
        + circle(76, 48, 14, ink.fill)
        + path("M88 44 L99 49 L88 54 Z", ink.gold)
        + _draw_eye(79, 45, 3)
        + path("M40 76 C50 80 60 76 66 68 C58 68 48 70 40 76 Z", ink.light, stroke="none")
    )


def butterfly(ink: Ink) -> str:
    """A butterfly with open wings, seen from above."""
    wings = "M50 46 C40 12 8 6 6 26 C4 44 26 54 50 52 C74 54 96 44 94 26 C92 6 60 12 50 46 Z"
    lower = "M50 52 C30 52 14 62 20 80 C28 96 46 82 50 58 C54 82 72 96 80 80 C86 62 70 52 50 52 Z"
    return (
        path(lower, ink.dark)
        + path(wings, ink.fill)
        + circle(23, 29, 7, ink.light, stroke="none")
        + circle(77, 29, 7, ink.light, stroke="none")
        + circle(32, 72, 5, ink.light, stroke="none")
        + circle(68, 72, 5, ink.light, stroke="none")
        + ellipse(50, 54, 4, 22, ink.night)
        + line("M50 34 C46 22 42 18 38 16 M50 34 C54 22 58 18 62 16", ink.night, 1.8)
    )


def fish(ink: Ink) -> str:
    """A fish leaping out of a splash of water."""
    return (
        path("M26 58 L2 40 C6 54 4 66 0 80 Z", ink.dark)
        + path("M40 36 C50 16 66 20 74 30 L64 40 Z M48 76 C54 90 64 90 70 82 L62 72 Z", ink.dark)
        + path("M20 58 C34 28 74 22 98 54 C76 88 34 84 20 58 Z", ink.fill)
        + path("M70 36 C62 48 62 64 70 74", "none")
        + line("M36 50 Q42 56 36 64 M47 46 Q54 56 47 68 M57 46 Q62 56 57 67", ink.light, 2)
        + _draw_eye(82, 49, 3.6)
        + line("M92 60 L84 62", ink.outline, 1.5)
        + path(
            "M20 98 C26 84 30 90 34 94 C40 80 46 88 50 94 C56 84 62 86 66 94 C72 86 76 90 80 98 Z",
            ink.glass,
            stroke="#ffffff",
        )
        + circle(14, 86, 2.6, ink.glass, stroke="none")
        + circle(86, 84, 3, ink.glass, stroke="none")
    )


def flower(ink: Ink) -> str:
    """A flower with seven petals on a stem with two leaves."""
    petals = "".join(
        ellipse(50, 14, 10.5, 15, ink.fill, transform=f"rotate({360 * index / 7:.1f} 50 34)")
        for index in range(7)
    )
    return (
        line("M50 46 C52 66 48 80 50 98", ink.leaf, 5)
        + path("M50 82 C36 82 24 74 22 60 C36 60 48 68 50 82 Z", ink.leaf)
        + path("M50 90 C62 90 76 80 78 66 C64 68 52 76 50 90 Z", ink.leaf)
        + petals
        + circle(50, 34, 9.5, ink.gold if ink.base != ink.gold else ink.cream)
        + circle(50, 34, 5, ink.wood, stroke="none", fill_opacity=0.6)
    )


def tree(ink: Ink) -> str:
    """A round tree whose crown has the colour."""
    return (
        path(
            "M44 98 L46 58 L34 46 L38 43 L47 51 L48 36 L53 36 L54 54 L64 44 L67 48 L55 62 L57 98 Z",
            ink.wood,
        )
        + path(
            "M50 4 C66 0 78 12 78 22 C92 26 96 44 86 52 C84 66 66 68 58 60 C52 68 40 66 38 60 "
            "C26 68 10 60 14 48 C4 40 10 24 22 22 C24 8 38 0 50 4 Z",
            ink.fill,
        )
        + circle(36, 24, 9, ink.light, stroke="none", fill_opacity=0.55)
        + circle(62, 18, 7, ink.light, stroke="none", fill_opacity=0.55)
        + circle(70, 44, 8, ink.dark, stroke="none", fill_opacity=0.5)
        + circle(32, 48, 7, ink.dark, stroke="none", fill_opacity=0.5)
    )
