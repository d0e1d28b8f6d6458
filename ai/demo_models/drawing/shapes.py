"""Short constructors for SVG elements. Each returns the element as text."""

from __future__ import annotations


def _format_attributes(attributes: dict[str, object]) -> str:
    return "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())


def path(d: str, fill: str = "none", **attributes: object) -> str:
    """A path with SVG path data ``d``."""
    return f'<path d="{d}" fill="{fill}"{_format_attributes(attributes)}/>'


def line(d: str, colour: str, width: float, **attributes: object) -> str:
    """An open stroke with round ends along the path data ``d``."""
    return (
        f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-linecap="round"{_format_attributes(attributes)}/>'
    )


def circle(x: float, y: float, r: float, fill: str, **attributes: object) -> str:
    """A circle around (x, y)."""
    return (
        f'<circle cx="{x:.4g}" cy="{y:.4g}" r="{r:.4g}" '
        f'fill="{fill}"{_format_attributes(attributes)}/>'
    )


def ellipse(x: float, y: float, rx: float, ry: float, fill: str, **attributes: object) -> str:
    """An ellipse around (x, y) with the half axes rx and ry."""
    return (
        f'<ellipse cx="{x:.4g}" cy="{y:.4g}" rx="{rx:.4g}" ry="{ry:.4g}" '
        f'fill="{fill}"{_format_attributes(attributes)}/>'
    )


def rect(
    x: float, y: float, width: float, height: float, fill: str, r: float = 0, **attributes: object
) -> str:
    """A rectangle with its upper left corner at (x, y) and corners rounded by r."""
    return (
        f'<rect x="{x:.4g}" y="{y:.4g}" width="{width:.4g}" height="{height:.4g}" rx="{r:.4g}" '
        f'fill="{fill}"{_format_attributes(attributes)}/>'
    )


def group(content: str, **attributes: object) -> str:
    """A group; its attributes are inherited by the elements inside."""
    return f"<g{_format_attributes(attributes)}>{content}</g>"


def gradient(name: str, *stops: tuple[float, str, float], radial: bool = False) -> str:
    """A top-to-bottom (or centre-to-rim) gradient of (offset, colour, opacity) stops."""
    inner = "".join(
        f'<stop offset="{offset}" stop-color="{colour}" stop-opacity="{opacity}"/>'
        for offset, colour, opacity in stops
    )
    if radial:
        return f'<radialGradient id="{name}">{inner}</radialGradient>'
    return f'<linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1">{inner}</linearGradient>'
