"""From an image's caption or file name to the words that an author left open."""

import re
from pathlib import PurePath

STOP_WORDS = frozenset({"with", "from", "this", "that", "were", "near", "under", "over", "into"})
MAX_TAGS = 5
MIN_TAG_LENGTH = 4
# File names that cameras, phones and browsers make up.
_MEANINGLESS_NAME = re.compile(
    r"(img|dsc|dscn|pxl|image|photo|screenshot|untitled|download|unnamed|blob)?[\s\d().a-f-]*",
    re.IGNORECASE,
)


def make_title(caption: str) -> str:
    """At most 100 characters, cut at a word."""
    text = caption.strip()
    if len(text) > 100:
        text = text[:100].rsplit(" ", 1)[0]
    return text[:1].upper() + text[1:]


def extract_tags(caption: str) -> list[str]:
    words = re.findall(r"\w+", caption.lower())
    telling = [w for w in words if len(w) >= MIN_TAG_LENGTH and w not in STOP_WORDS]
    return list(dict.fromkeys(telling))[:MAX_TAGS]


def words_from_file_name(file_name: str) -> str:
    """What a member called the file, at most 255 characters; "" when no member named it."""
    words = re.sub(r"[-_\s]+", " ", PurePath(file_name).stem).strip()
    return "" if _MEANINGLESS_NAME.fullmatch(words) else words[:255]
