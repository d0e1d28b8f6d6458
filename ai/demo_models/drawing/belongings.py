"""Toys, clothes, instruments and devices, in a box of 100 by 100 that stands on y = 98."""

from __future__ import annotations

from ai.demo_models.drawing.palette import Ink
from ai.demo_models.drawing.shapes import circle, ellipse, line, path, rect


def ball(ink: Ink) -> str:
    """A beach ball with light stripes."""
    return (
        circle(50, 56, 42, ink.fill)
        + path("M50 14 C30 26 26 78 46 98 C36 97 26 92 19 85 C6 66 18 26 50 14 Z", ink.cream)
        + path("M50 14 C74 24 84 68 70 93 C76 90 81 86 85 80 C98 56 84 22 50 14 Z", ink.cream)
        + circle(50, 15, 5, ink.dark)
        + ellipse(
            40, 30, 6, 9, "#ffffff", stroke="none", fill_opacity=0.4, transform="rotate(24 40 30)"
        )
    )


def kite(ink: Ink) -> str:
    """A diamond kite with a tail of bows."""
    bows = "".join(
        path(f"M{x} {y} l-7 -4 l0 8 z M{x} {y} l7 -4 l0 8 z", ink.base)
        for x, y in ((44, 78), (34, 88), (18, 94))
    )
    return (
        line("M56 66 C52 82 36 92 4 96", ink.outline, 1.6)
        + bows
        + path("M56 2 L88 34 L56 70 L26 34 Z", ink.fill)
        + path("M56 2 L56 34 L26 34 Z M56 70 L56 34 L88 34 Z", ink.light)
        + line("M56 2 L56 70 M26 34 L88 34", ink.outline, 1.8)
    )


def robot(ink: Ink) -> str:
    """A boxy robot with an antenna."""
    return (
        line("M50 18 L50 6", ink.metal, 3)
        + circle(50, 5, 4.2, "#ef5350")
        + rect(10, 50, 13, 30, ink.dark, 6)
        + rect(77, 50, 13, 30, ink.dark, 6)
        + circle(16, 82, 6, ink.metal)
        + circle(84, 82, 6, ink.metal)
        + rect(32, 82, 13, 16, ink.dark, 3)
        + rect(55, 82, 13, 16, ink.dark, 3)
        + rect(24, 48, 52, 38, ink.fill, 7)
        + rect(25, 15, 50, 31, ink.fill, 8)
        + rect(31, 21, 38, 16, ink.night, 7)
        + circle(41, 29, 4.6, "#7df3ff", stroke="none")
        + circle(59, 29, 4.6, "#7df3ff", stroke="none")
        + rect(36, 56, 28, 14, ink.metal, 3)
        + circle(43, 63, 3, "#ef5350", stroke="none")
        + circle(51, 63, 3, "#ffd54f", stroke="none")
        + circle(59, 63, 3, "#66bb6a", stroke="none")
    )


def laptop(ink: Ink) -> str:
    """An open laptop; its lid and base have the colour."""
    return (
        rect(12, 22, 76, 54, ink.fill, 6)
        + rect(20, 30, 60, 38, "#d7f0fb", 2)
        + rect(20, 30, 60, 8, "#8fb6cc", stroke="none")
        + line("M28 46 L52 46 M28 53 L62 53 M28 60 L44 60", "#5f8aa3", 2.6)
        + path("M12 76 L88 76 L99 92 C99 96 96 97 94 97 L6 97 C4 97 1 96 1 92 Z", ink.fill)
        + path("M18 79 L82 79 L87 87 L13 87 Z", ink.dark, stroke="none")
        + rect(40, 89, 20, 5, ink.light, 1)
    )


def camera(ink: Ink) -> str:
    """A camera with a large lens and a flash."""
    return (
        path("M34 32 L40 18 L62 18 L68 32 Z", ink.dark)
        + rect(12, 24, 13, 10, ink.metal, 2)
        + rect(4, 30, 92, 64, ink.fill, 9)
        + rect(4, 42, 92, 8, ink.dark, stroke="none")
        + circle(52, 63, 25, ink.metal)
        + circle(52, 63, 20, ink.night)
        + circle(52, 63, 12, "#3b5f8f")
        + circle(46, 56, 4.6, "#ffffff", stroke="none", fill_opacity=0.8)
        + rect(44, 20, 14, 7, "#fff6c8", 2)
        + circle(86, 37, 3, "#ef5350", stroke="none")
    )


def hat(ink: Ink) -> str:
    """A wide-brimmed hat with a ribbon."""
    return (
        ellipse(50, 76, 49, 17, ink.dark)
        + ellipse(50, 73, 49, 16, ink.fill)
        + path(
            "M22 72 C22 30 34 22 46 27 C50 30 54 30 58 26 C70 22 78 34 78 72 C64 82 36 82 22 72 Z",
            ink.fill,
        )
        + path("M22 62 C36 72 64 72 78 62 L78 72 C64 82 36 82 22 72 Z", ink.cream)
        + path("M70 68 L86 62 L84 74 Z M70 68 L82 80 L70 80 Z", ink.cream)
        + line("M34 36 C30 44 29 50 29 56", ink.light, 3)
    )


def dress(ink: Ink) -> str:
    """A sleeveless dress with a belt and a wide skirt."""
    return (
        path("M34 4 L40 4 C42 16 58 16 60 4 L66 4 L72 30 L64 46 L36 46 L28 30 Z", ink.fill)
        + path(
            "M36 50 L64 50 C74 66 84 82 90 96 C78 99 66 94 58 97 C52 99 46 99 40 96 "
            "C32 94 20 99 10 96 C16 82 26 66 36 50 Z",
            ink.fill,
        )
        + line("M42 56 C38 70 34 82 28 94 M50 56 L50 96 M58 56 C62 70 66 82 72 94", ink.dark, 1.8)
        + rect(35, 44, 30, 7, ink.cream, 2)
        + path("M50 47 L42 42 L42 53 Z M50 47 L58 42 L58 53 Z", ink.dark)
    )


def bag(ink: Ink) -> str:
    """A handbag with a flap and a clasp."""
    return (
        path("M28 48 C28 2 72 2 72 48", "none", stroke=ink.outline, stroke_width=9)
        + path("M28 48 C28 2 72 2 72 48", "none", stroke=ink.dark, stroke_width=6)
        + path("M12 42 L88 42 L96 90 C96 96 92 98 88 98 L12 98 C8 98 4 96 4 90 Z", ink.fill)
        + path("M12 42 L88 42 L91 60 C76 76 24 76 9 60 Z", ink.light)
        + rect(43, 62, 14, 14, ink.gold, 3)
        + circle(50, 69, 2.6, ink.outline, stroke="none")
        + circle(28, 48, 3.4, ink.gold)
        + circle(72, 48, 3.4, ink.gold)
    )


def guitar(ink: Ink) -> str:
    """An acoustic guitar leaning to the right."""
    body = (
        rect(45.5, 2, 9, 13, ink.night, 2)
        + rect(47, 12, 6, 46, ink.wood)
        + path(
            "M50 46 C66 44 72 54 66 64 C66 68 76 72 76 84 C76 96 64 100 50 100 "
            "C36 100 24 96 24 84 C24 72 34 68 34 64 C28 54 34 44 50 46 Z",
            ink.fill,
        )
        + circle(50, 70, 9, ink.night)
        + rect(41, 87, 18, 4, ink.night, 1)
        + line("M48.5 14 L48.5 88 M51.5 14 L51.5 88", ink.cream, 0.9)
        + line("M43 6 L46 6 M43 11 L46 11 M54 6 L57 6 M54 11 L57 11", ink.metal, 2)
    )
    return f'<g transform="rotate(12 50 60)">{body}</g>'


def painting(ink: Ink) -> str:
    """A framed abstract painting on an easel; the frame and the main stroke have the colour."""
    return (
        line("M26 98 L46 4 M74 98 L54 4 M50 60 L50 92", ink.wood, 4.5)
        + rect(6, 12, 88, 62, ink.fill, 3)
        + rect(16, 21, 68, 44, ink.cream)
        + path("M16 65 L36 38 L50 54 L62 44 L84 65 Z", ink.base)
        + circle(68, 33, 6.5, ink.gold)
        + path("M16 65 L30 56 L48 60 L66 56 L84 65 Z", ink.dark)
        + rect(14, 74, 72, 5, ink.wood, 1)
    )
