"""Food and things of the home, drawn in a box of 100 by 100 that stands on y = 98."""

from __future__ import annotations

from ai.demo_models.drawing.palette import Ink
from ai.demo_models.drawing.shapes import circle, ellipse, line, path, rect


def apple(ink: Ink) -> str:
    """An apple with a stalk and one leaf."""
    return (
        path(
            "M50 30 C38 18 8 22 8 54 C8 82 28 98 40 98 C46 98 46 95 50 95 C54 95 54 98 60 98 "
            "C72 98 92 82 92 54 C92 22 62 18 50 30 Z",
            ink.fill,
        )
        + line("M50 32 C49 22 52 12 58 5", ink.wood, 5)
        + path("M54 18 C62 4 78 4 86 10 C80 22 66 26 54 18 Z", ink.leaf)
        + ellipse(
            27, 50, 7, 13, "#ffffff", stroke="none", fill_opacity=0.45, transform="rotate(14 27 50)"
        )
    )


def banana(ink: Ink) -> str:
    """A bunch of two bananas."""
    return (
        path("M84 20 C98 58 70 94 28 92 C18 91 16 86 22 84 C56 80 70 56 72 22 Z", ink.dark)
        + path("M80 20 C82 60 50 88 8 76 C0 73 2 66 8 67 C40 68 62 50 68 20 Z", ink.fill)
        + path("M68 22 L70 6 L82 4 L85 22 Z", ink.wood)
        + line("M74 26 C72 56 46 74 18 72", ink.light, 3)
        + circle(7, 71, 4.4, ink.night, stroke="none")
        + circle(24, 88, 4, ink.night, stroke="none")
    )


def cake(ink: Ink) -> str:
    """A layer cake with icing, three candles and a plate."""
    candles = "".join(
        rect(x - 2.5, 14, 5, 22, ink.cream, 1)
        + path(f"M{x} 2 C{x + 5} 8 {x + 3} 13 {x} 13 C{x - 3} 13 {x - 5} 8 {x} 2 Z", ink.gold)
        for x in (32, 50, 68)
    )
    icing = (
        "M12 42 C12 34 88 34 88 42 L88 56 C84 66 78 62 76 56 C72 68 64 66 62 56 C58 70 48 68 46 56 "
        "C42 66 34 64 32 56 C28 64 18 66 12 54 Z"
    )
    return (
        ellipse(50, 92, 49, 6, ink.metal)
        + path("M12 44 L12 88 C12 94 88 94 88 88 L88 44 Z", ink.fill)
        + rect(12, 72, 76, 6, ink.cream, stroke="none")
        + candles
        + path(icing, ink.light)
        + "".join(circle(x, 45, 3.2, ink.base, stroke="none") for x in (20, 41, 59, 80))
    )


def pizza(ink: Ink) -> str:
    """A slice of pizza whose topping has the colour."""
    return (
        path("M50 98 L8 24 C28 8 72 8 92 24 Z", ink.fill)
        + path(
            "M4 24 C26 0 74 0 96 24 C96 32 90 33 88 31 C66 14 34 14 12 31 C8 33 4 30 4 24 Z",
            ink.wood,
        )
        + circle(38, 40, 8, ink.dark)
        + circle(63, 38, 8, ink.dark)
        + circle(51, 64, 7.5, ink.dark)
        + circle(36, 38, 2.4, ink.light, stroke="none")
        + circle(61, 36, 2.4, ink.light, stroke="none")
        + path(
            "M48 46 l6 -5 l3 5 z M60 56 l6 -3 l0 6 z M40 56 l-5 -4 l6 -2 z", ink.leaf, stroke="none"
        )
    )


def ice_cream(ink: Ink) -> str:
    """Two scoops in a waffle cone."""
    return (
        path("M28 50 L50 99 L72 50 Z", ink.wood)
        + line("M36 58 L58 84 M46 54 L64 72 M64 58 L42 84 M54 54 L38 70", ink.cream, 1.5)
        + circle(50, 22, 19, ink.fill)
        + path(
            "M22 50 C14 30 34 26 50 32 C66 26 86 30 78 50 C74 60 66 52 62 56 C56 62 46 60 42 55 "
            "C36 60 26 60 22 50 Z",
            ink.fill,
        )
        + ellipse(43, 15, 5, 7, "#ffffff", stroke="none", fill_opacity=0.5)
        + circle(60, 6, 5.5, "#d92b3a")
    )


def cup(ink: Ink) -> str:
    """A steaming cup on a saucer."""
    return (
        ellipse(46, 93, 42, 5.5, ink.light)
        + path("M76 50 C100 44 100 80 70 78", "none", stroke=ink.outline, stroke_width=11)
        + path("M76 50 C100 44 100 80 70 78", "none", stroke=ink.base, stroke_width=7)
        + path("M10 40 L80 40 C80 74 72 92 56 92 L34 92 C18 92 10 74 10 40 Z", ink.fill)
        + ellipse(45, 40, 35, 7, "#6b4226")
        + line(
            "M32 28 C26 20 38 16 32 6 M46 28 C40 20 52 16 46 6 M60 28 C54 20 66 16 60 6",
            "#ffffff",
            3,
            stroke_opacity=0.75,
        )
        + line("M18 52 C20 66 24 76 30 82", "#ffffff", 3, stroke_opacity=0.4)
    )


def chair(ink: Ink) -> str:
    """A wooden chair seen from three quarters."""
    return (
        path("M26 6 L34 6 L35 60 L27 62 Z M70 6 L78 6 L78 60 L70 60 Z", ink.dark)
        + rect(24, 8, 56, 13, ink.fill, 5)
        + rect(28, 29, 48, 9, ink.fill, 3)
        + path("M22 98 L27 64 L35 64 L30 98 Z M82 98 L77 64 L69 64 L74 98 Z", ink.dark)
        + path("M38 90 L39 64 L45 64 L45 90 Z M66 90 L65 64 L59 64 L59 90 Z", ink.dark)
        + path("M28 50 L76 50 L86 66 L18 66 Z", ink.light)
        + rect(18, 64, 68, 8, ink.fill, 3)
    )


def lamp(ink: Ink) -> str:
    """A table lamp with a glowing shade."""
    return (
        circle(50, 44, 46, "#fff2b0", stroke="none", fill_opacity=0.28)
        + rect(47, 50, 6, 38, ink.gold, 2)
        + path("M28 98 C30 86 70 86 72 98 Z", ink.fill)
        + path("M34 6 L66 6 L88 56 L12 56 Z", ink.fill)
        + path("M38 10 L46 10 L36 52 L22 52 Z", ink.light, stroke="none", fill_opacity=0.7)
        + ellipse(50, 56, 38, 4.5, "#fff2b0")
        + line("M66 60 L66 74", ink.gold, 1.6)
        + circle(66, 76, 2.4, ink.gold)
    )


def umbrella(ink: Ink) -> str:
    """An open umbrella with a hooked handle."""
    return (
        line("M50 40 L50 86 C50 99 68 98 67 86", ink.wood, 4.5)
        + path(
            "M3 50 C6 2 94 2 97 50 C90 41 80 41 73 50 C66 41 57 41 50 50 C43 41 34 41 27 50 "
            "C20 41 10 41 3 50 Z",
            ink.fill,
        )
        + path(
            "M27 50 C28 30 38 16 50 13 C62 16 72 30 73 50 C66 41 57 41 50 50 C43 41 34 41 27 50 Z",
            ink.light,
            fill_opacity=0.75,
        )
        + line("M50 13 L50 6", ink.wood, 3.5)
    )


def book(ink: Ink) -> str:
    """A closed book standing with its cover in front."""
    return (
        path("M22 8 L84 4 L84 86 L22 92 Z", ink.cream)
        + path(
            "M14 12 C14 6 20 6 22 6 L74 6 C78 6 78 10 78 10 L78 92 L22 92 C16 92 14 96 14 90 Z",
            ink.fill,
        )
        + path("M14 92 C14 86 20 86 22 86 L84 82 L84 94 L22 98 C16 98 14 96 14 92 Z", ink.cream)
        + line("M24 91 L84 87 M24 94.5 L84 91", ink.metal, 1.2)
        + line("M24 8 L24 86", ink.dark, 3)
        + rect(34, 20, 34, 20, ink.cream, 2)
        + line("M39 27 L63 27 M43 33 L59 33", ink.outline, 2)
        + circle(51, 62, 9, ink.gold)
    )


def vase(ink: Ink) -> str:
    """A bellied vase with two twigs."""
    leaves = "".join(
        ellipse(x, y, 6, 3, ink.leaf, transform=f"rotate({turn} {x} {y})")
        for x, y, turn in ((30, 10, 40), (42, 18, -50), (38, 4, -60), (62, 16, 50), (74, 6, -30))
    )
    return (
        line("M48 36 C44 24 38 12 34 4 M53 36 C58 24 64 12 72 4", ink.leaf, 2.4)
        + leaves
        + path(
            "M38 30 L62 30 C64 38 58 44 60 48 C80 56 84 80 66 98 L34 98 C16 80 20 56 40 48 "
            "C42 44 36 38 38 30 Z",
            ink.fill,
        )
        + path(
            "M22.5 66 C40 74 60 74 77.5 66 L78 74 C60 82 40 82 22 74 Z", ink.light, stroke="none"
        )
        + ellipse(50, 30.5, 12, 2.6, ink.dark)
        + line("M36 58 C30 64 29 74 31 82", "#ffffff", 3, stroke_opacity=0.45)
    )
