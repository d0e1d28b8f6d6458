"""Suggestions while a query is typed: titles and tags of visible posts, and categories.

Bounded, however many posts there are: most suggestions come from the newest posts. Only what these
lack is looked up in the full-text index, where the posts with a rare prefix are few.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import Literal

from accounts.models import Category
from accounts.viewer import Viewer
from posts.full_text import MAX_TERMS, TITLE_AND_TAGS, prefix_query
from posts.models import Post
from smimso.text import UNIT, fold, text_key

SuggestionKind = Literal["category", "tag", "title"]
MAX_SUGGESTIONS = 8
NEWEST_POSTS = 2_000
MAX_OLDER_POSTS = 200
MIN_RARE_PREFIX = 3  # letters; older posts are not searched for shorter prefixes, which are common
MAX_TITLE_LENGTH = 80  # characters
MAX_CANDIDATES = 2_000  # tags, and as many titles, that are compared with the typed words


@dataclass(frozen=True)
class Suggestion:
    text: str
    kind: SuggestionKind


def suggest(viewer: Viewer, typed: str) -> list[Suggestion]:
    """Return up to MAX_SUGGESTIONS: categories, tags, titles, the most frequent first within each.

    Each has a word that begins with the last word of `typed`, and all the words before it. Tags
    and titles are spelled as the oldest of these posts spells them.
    """
    words = fold([typed])[0].split()[:MAX_TERMS]
    if not words:
        return []
    prefix = prefix_query(words, TITLE_AND_TAGS)
    visible = Post.objects.visible_to(viewer)
    latest = visible.order_by("-created_at", "-id").values("pk")[:NEWEST_POSTS]
    newest = Post.objects.filter(pk__in=latest, search_document__document=prefix)
    rows = list(newest.values_list("created_at", "title", "tags"))
    suggestions = _rank(rows, words)
    if len(suggestions) < MAX_SUGGESTIONS and len(words[-1]) >= MIN_RARE_PREFIX:
        older = visible.filter(search_document__document=prefix)
        rows += list(older.values_list("created_at", "title", "tags")[:MAX_OLDER_POSTS])
        suggestions = _rank(rows, words)
    return suggestions


def _rank(rows: list[tuple[datetime, str, list[str] | None]], words: list[str]) -> list[Suggestion]:
    oldest_first = sorted(rows, key=itemgetter(0))
    candidates: dict[SuggestionKind, list[str]] = {
        "category": list(Category.objects.values_list("name", flat=True)),
        "tag": _most_frequent(tag for *_, tags in oldest_first for tag in tags or []),
        "title": _most_frequent(
            title for _, title, _ in oldest_first if len(title) <= MAX_TITLE_LENGTH
        ),
    }
    texts = [text for of_kind in candidates.values() for text in of_kind]
    folded = dict(zip(texts, fold(texts), strict=True))
    unique: dict[str, Suggestion] = {}
    for kind, of_kind in candidates.items():
        matching = (text for text in of_kind if _matches(folded[text], words))
        for text in islice(matching, MAX_SUGGESTIONS):
            unique.setdefault(folded[text], Suggestion(text, kind))
    return list(unique.values())[:MAX_SUGGESTIONS]


def _most_frequent(texts: Iterable[str]) -> list[str]:
    """Return the most frequent texts, each as it is spelled first; see `text_key`."""
    spelling: dict[str, str] = {}
    counts = Counter[str]()
    for text in texts:
        key = text_key(text)
        spelling.setdefault(key, text)
        counts[key] += 1
    return [spelling[key] for key, _ in counts.most_common(MAX_CANDIDATES)]


def _matches(folded: str, words: list[str]) -> bool:
    """Return True if the folded text has all words, of which the last may be incomplete.

    Words begin where units do: a word of a script without blanks matches a part of another.
    """
    own = f"{UNIT}{folded.replace(' ', UNIT * 2)}{UNIT}"
    return UNIT + words[-1] in own and all(f"{UNIT}{word}{UNIT}" in own for word in words[:-1])
