"""Suggestions while a query is typed: titles and tags of visible posts, and categories.

Bounded, however many posts there are: most suggestions come from the newest posts. Only what these
lack is looked up in the full-text index, where the posts with a rare prefix are few.
"""

from collections import Counter
from collections.abc import Iterator
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
BATCH_SIZE = 200  # texts that are folded in one query


@dataclass(frozen=True)
class Suggestion:
    text: str
    kind: SuggestionKind


def suggest(viewer: Viewer, typed: str) -> list[Suggestion]:
    """Return up to MAX_SUGGESTIONS: categories, tags, titles, the most frequent first within each.

    Each has a word that begins with the last word of `typed`, and all the words before it. Tags
    are spelled as the oldest of these posts spells them.
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
    tags = Counter(tag for *_, tags in oldest_first for tag in tags or [])
    titles = Counter(title for _, title, _ in rows if len(title) <= MAX_TITLE_LENGTH)
    candidates: dict[SuggestionKind, list[str]] = {
        "category": list(Category.objects.values_list("name", flat=True)),
        "tag": _most_frequent(_merge_spellings(tags)),
        "title": _most_frequent(titles),
    }
    unique: dict[str, Suggestion] = {}
    for kind, texts in candidates.items():
        for text, folded in islice(_matching(texts, words), MAX_SUGGESTIONS):
            unique.setdefault(folded, Suggestion(text, kind))
    return list(unique.values())[:MAX_SUGGESTIONS]


def _matching(texts: list[str], words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the texts that match the words, each with its folded words.

    They are folded a batch at a time, because most of those that are needed are in the first one.
    """
    for start in range(0, len(texts), BATCH_SIZE):
        batch = texts[start : start + BATCH_SIZE]
        for text, folded in zip(batch, fold(batch), strict=True):
            if _matches(folded, words):
                yield text, folded


def _merge_spellings(counts: Counter[str]) -> Counter[str]:
    """Count texts with the same `text_key` as one, which is spelled as the first of them."""
    spelling: dict[str, str] = {}
    merged = Counter[str]()
    for text, count in counts.items():
        merged[spelling.setdefault(text_key(text), text)] += count
    return merged


def _most_frequent(counts: Counter[str]) -> list[str]:
    return [text for text, _ in counts.most_common(MAX_CANDIDATES)]


def _matches(folded: str, words: list[str]) -> bool:
    """Return True if the folded text has all words, of which the last may be incomplete.

    Words begin where units do: a word of a script without blanks matches a part of another.
    """
    own = f"{UNIT}{folded.replace(' ', UNIT * 2)}{UNIT}"
    return UNIT + words[-1] in own and all(f"{UNIT}{word}{UNIT}" in own for word in words[:-1])
