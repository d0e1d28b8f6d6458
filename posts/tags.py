"""The normal form of tags."""

from collections.abc import Iterable

from smimso.text import text_key
from smimso.visible_text import clean_line

_HASHES = "#＃﹟"


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Return the tags in their normal form, without repetitions, in the order they are given.

    A tag has no # in front, no blanks around it, single blanks inside, and composed letters. Tags
    that differ only in case or width are one tag, which is shown as it is written first.
    """
    normalized = (_normalize(tag) for tag in tags)
    unique: dict[str, str] = {}
    for tag in normalized:
        unique.setdefault(text_key(tag), tag)
    unique.pop("", None)
    return list(unique.values())


def _normalize(tag: str) -> str:
    return " ".join(clean_line(tag).split()).lstrip(f"{_HASHES} ")
