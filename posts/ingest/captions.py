"""Titles, tags and descriptions derived from an image's caption or file name."""

import re
from pathlib import PurePath

STOP_WORDS = frozenset({"with", "from", "this", "that", "were", "near", "under", "over", "into"})
MAX_TITLE_LENGTH = 100
MAX_TAGS = 5
MIN_TAG_LENGTH = 4
MAX_NAME_LENGTH = 255
# File names that cameras, phones and browsers generate.
_GENERATED_NAME = re.compile(
    r"(img|dsc|dscn|pxl|image|photo|screenshot|untitled|download|unnamed|blob)?[\s\d().a-f-]*",
    re.IGNORECASE,
)


def make_title(caption: str) -> str:
    """Return the caption with a capital letter, cut at a word to 100 characters."""
    text = caption.strip()
    if len(text) > MAX_TITLE_LENGTH:
        text = text[:MAX_TITLE_LENGTH].rsplit(" ", 1)[0]
    return text[:1].upper() + text[1:]


def extract_tags(caption: str) -> list[str]:
    """Return the first 5 distinct content words of a caption."""
    words = re.findall(r"\w+", caption.lower())
    content_words = [w for w in words if len(w) >= MIN_TAG_LENGTH and w not in STOP_WORDS]
    return list(dict.fromkeys(content_words))[:MAX_TAGS]


def words_from_file_name(file_name: str) -> str:
    """Return the words of a file name, up to 255 characters; "" if a device generated it."""
    words = re.sub(r"[-_\s]+", " ", PurePath(file_name).stem).strip()
    return "" if _GENERATED_NAME.fullmatch(words) else words[:MAX_NAME_LENGTH]
