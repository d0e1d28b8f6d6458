"""Suggestions while a query is typed: titles and tags of visible posts, and categories.

Bounded, however many posts there are: most suggestions come from the newest posts. Only what these
lack is looked up in the full-text index, where the posts with a rare prefix are few.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from accounts.models import Category
from accounts.viewer import Viewer
from posts.full_text import TITLE_AND_TAGS, prefix_query, strip_diacritics
from posts.models import Post

SuggestionKind = Literal["category", "tag", "title"]
MAX_SUGGESTIONS = 8
NEWEST_POSTS = 2_000
MAX_OLDER_POSTS = 200
MIN_RARE_PREFIX = 3  # letters; older posts are not searched for shorter prefixes, which are common
MAX_TITLE_LENGTH = 80  # characters


@dataclass(frozen=True)
class Suggestion:
    text: str
    kind: SuggestionKind


def suggest(viewer: Viewer, typed: str) -> list[Suggestion]:
    """Return up to MAX_SUGGESTIONS: categories, tags, titles, the most frequent first within each.

    Each has a word that begins with the last word of `typed`, and all the words before it.
    """
    prefix = prefix_query(typed, TITLE_AND_TAGS)
    if prefix is None:
        return []
    words = re.findall(r"[^\W_]+", strip_diacritics(typed))
    visible = Post.objects.visible_to(viewer)
    latest = visible.order_by("-created_at", "-id").values("pk")[:NEWEST_POSTS]
    newest = Post.objects.filter(pk__in=latest, search_document__document=prefix)
    rows = list(newest.values_list("title", "tags"))
    suggestions = _rank(rows, words)
    if len(suggestions) < MAX_SUGGESTIONS and len(words[-1]) >= MIN_RARE_PREFIX:
        older = visible.filter(search_document__document=prefix)
        rows += list(older.values_list("title", "tags")[:MAX_OLDER_POSTS])
        suggestions = _rank(rows, words)
    return suggestions


def _rank(rows: list[tuple[str, list[str] | None]], words: list[str]) -> list[Suggestion]:
    tags = Counter(tag for _, tags in rows for tag in {*(tags or [])} if _matches(tag, words))
    titles = Counter(
        title for title, _ in rows if _matches(title, words) and len(title) <= MAX_TITLE_LENGTH
    )
    categories = Category.objects.values_list("name", flat=True)
    texts: dict[SuggestionKind, list[str]] = {
        "category": [name for name in categories if _matches(name, words)],
        "tag": [text for text, _ in tags.most_common(MAX_SUGGESTIONS)],
        "title": [text for text, _ in titles.most_common(MAX_SUGGESTIONS)],
    }
    unique: dict[str, Suggestion] = {}
    for kind, of_kind in texts.items():
        for text in of_kind:
            unique.setdefault(strip_diacritics(text), Suggestion(text, kind))
    return list(unique.values())[:MAX_SUGGESTIONS]


def _matches(text: str, words: list[str]) -> bool:
    own_words = re.findall(r"[^\W_]+", strip_diacritics(text))
    is_begun = any(word.startswith(words[-1]) for word in own_words)
    return is_begun and all(word in own_words for word in words[:-1])
