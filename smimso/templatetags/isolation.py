"""Filters that keep the direction of a member's text from reversing the sentence around it.

Every name and title that stands in a sentence or next to other text passes through one of them:
`bdi` in HTML, `isolate` where no element is possible, as in attributes and titles of pages.
"""

from django import template
from django.utils.html import format_html

from smimso import visible_text

register = template.Library()


@register.filter
def bdi(text: object) -> str:
    """Return `<bdi>text</bdi>`; "" for a text that shows nothing."""
    line = visible_text.clean_line(str(text or ""))
    return format_html("<bdi>{}</bdi>", line) if line else ""


@register.filter
def initial(name: str) -> str:
    """Return the first character of a name as a capital letter."""
    return visible_text.clean_line(name)[:1].upper()


@register.filter
def isolate(text: object) -> str:
    """Return the text, between the controls FSI and PDI if it runs from right to left."""
    return visible_text.isolate(str(text or ""))
