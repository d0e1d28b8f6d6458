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

SuggestionKind = Literal["category", "tag", "title"]
MAX_SUGGESTIONS = 8
NEWEST_POSTS = 2_000  # posts
MAX_OLDER_POSTS = 200  # posts further back
MIN_RARE_PREFIX = 3  # letters: shorter beginnings are of too many words
MAX_TITLE_LENGTH = 80  # characters of a title


@dataclass(frozen=True)
class Suggestion:
    text: str
    kind: SuggestionKind


def suggest(viewer: Any, typed: str) -> list[Suggestion]:
    """At most MOST, the most frequent first within categories, tags and titles.

    Each has a word that begins with the last word of `typed`, and the others before it.
    """
    words = prefix_query(typed, TITLE_AND_TAGS)
    if words is None:
        return []
    asked = re.findall(r"[^\W_]+", strip_diacritics(typed))
    visible = Post.objects.visible_to(viewer)
    latest = visible.order_by("-created_at", "-id").values("pk")[:NEWEST_POSTS]
    rows = list(
        Post.objects.filter(pk__in=latest, search_document__document=words).values_list(
            "title", "tags"
        )
    )
    found = _rank(rows, asked)
    if len(found) < MAX_SUGGESTIONS and len(asked[-1]) >= MIN_RARE_PREFIX:
        rows += list(
            visible.filter(search_document__document=words).values_list("title", "tags")[
                :MAX_OLDER_POSTS
            ]
        )
        found = _rank(rows, asked)
    return found


def _rank(rows: list[tuple[str, list[str] | None]], asked: list[str]) -> list[Suggestion]:
    tags = Counter(tag for _, tags in rows for tag in {*(tags or [])} if _matches(tag, asked))
    titles = Counter(
        title for title, _ in rows if _matches(title, asked) and len(title) <= MAX_TITLE_LENGTH
    )
    names = list(Category.objects.values_list("name", flat=True))
    found: dict[str, Suggestion] = {}
    for kind, texts in (
        ("category", [name for name in names if _matches(name, asked)]),
        ("tag", [text for text, _ in tags.most_common(MAX_SUGGESTIONS)]),
        ("title", [text for text, _ in titles.most_common(MAX_SUGGESTIONS)]),
    ):
        for text in texts:
            found.setdefault(strip_diacritics(text), Suggestion(text, kind))  # type: ignore[arg-type]
    return list(found.values())[:MAX_SUGGESTIONS]


def _matches(text: str, asked: list[str]) -> bool:
    words = re.findall(r"[^\W_]+", strip_diacritics(text))
    begun = any(word.startswith(asked[-1]) for word in words)
    return begun and all(word in words for word in asked[:-1])
