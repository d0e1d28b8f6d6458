"""What a member may be about to type: titles and tags of visible posts, and categories.

Bounded at any number of posts: most suggestions come from the newest posts; only what these lack
is looked up in the index of words, which a rare beginning makes short.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from accounts.models import Category
from posts.full_text import TITLE_AND_TAGS, prefix_query, strip_diacritics
from posts.models import Post

Kind = Literal["category", "tag", "title"]
MOST = 8
NEWEST = 2_000  # posts
RARE = 200  # posts further back
LEAST_RARE = 3  # letters: shorter beginnings are of too many words
LONGEST = 80  # characters of a title


@dataclass(frozen=True)
class Suggestion:
    text: str
    kind: Kind


def suggestions(viewer: Any, typed: str) -> list[Suggestion]:
    """At most MOST, the most frequent first within categories, tags and titles.

    Each has a word that begins with the last word of `typed`, and the others before it.
    """
    words = prefix_query(typed, TITLE_AND_TAGS)
    if words is None:
        return []
    asked = re.findall(r"[^\W_]+", strip_diacritics(typed))
    visible = Post.objects.visible_to(viewer)
    latest = visible.order_by("-created_at", "-id").values("pk")[:NEWEST]
    rows = list(
        Post.objects.filter(pk__in=latest, search_document__document=words).values_list(
            "title", "tags"
        )
    )
    found = _chosen(rows, asked)
    if len(found) < MOST and len(asked[-1]) >= LEAST_RARE:
        rows += list(
            visible.filter(search_document__document=words).values_list("title", "tags")[:RARE]
        )
        found = _chosen(rows, asked)
    return found


def _chosen(rows: list[tuple[str, list[str] | None]], asked: list[str]) -> list[Suggestion]:
    tags = Counter(tag for _, tags in rows for tag in {*(tags or [])} if _begins(tag, asked))
    titles = Counter(title for title, _ in rows if _begins(title, asked) and len(title) <= LONGEST)
    names = list(Category.objects.values_list("name", flat=True))
    found: dict[str, Suggestion] = {}
    for kind, texts in (
        ("category", [name for name in names if _begins(name, asked)]),
        ("tag", [text for text, _ in tags.most_common(MOST)]),
        ("title", [text for text, _ in titles.most_common(MOST)]),
    ):
        for text in texts:
            found.setdefault(strip_diacritics(text), Suggestion(text, kind))  # type: ignore[arg-type]
    return list(found.values())[:MOST]


def _begins(text: str, asked: list[str]) -> bool:
    words = re.findall(r"[^\W_]+", strip_diacritics(text))
    begun = any(word.startswith(asked[-1]) for word in words)
    return begun and all(word in words for word in asked[:-1])
