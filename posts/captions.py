"""From an image's caption and vector to the words that an author left open."""

import re

STOP_WORDS = frozenset({"with", "from", "this", "that", "were", "near", "under", "over", "into"})
MOST_TAGS = 5
LEAST_TAG_LETTERS = 4


def title_from(caption: str) -> str:
    """At most 100 characters, cut at a word."""
    text = caption.strip()
    if len(text) > 100:
        text = text[:100].rsplit(" ", 1)[0]
    return text[:1].upper() + text[1:]


def tags_from(caption: str) -> list[str]:
    words = re.findall(r"\w+", caption.lower())
    telling = [w for w in words if len(w) >= LEAST_TAG_LETTERS and w not in STOP_WORDS]
    return list(dict.fromkeys(telling))[:MOST_TAGS]
