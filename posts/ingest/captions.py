"""Titles and tags derived from an image's caption."""

import unicodedata

from posts.tags import clean_tags

STOP_WORDS = frozenset({"with", "from", "this", "that", "were", "near", "under", "over", "into"})
MAX_TITLE_LENGTH = 100
MAX_TAGS = 5
MIN_TAG_LENGTH = 4


def make_title(caption: str) -> str:
    """Return the caption with a capital letter, cut at a word to 100 characters."""
    text = caption.strip()
    if len(text) > MAX_TITLE_LENGTH:
        text = text[:MAX_TITLE_LENGTH].rsplit(" ", 1)[0]
    return text[:1].upper() + text[1:]


def extract_tags(caption: str) -> list[str]:
    """Return the first 5 distinct content words of a caption."""
    composed = unicodedata.normalize("NFC", caption.lower())
    words = "".join(each if _is_of_word(each) else " " for each in composed).split()
    content_words = [w for w in words if len(w) >= MIN_TAG_LENGTH and w not in STOP_WORDS]
    return clean_tags(content_words)[:MAX_TAGS]


def _is_of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"
