"""PostgreSQL full-text search over the texts of posts and the captions of their pictures.

Diacritics are ignored: "pho bo" finds "Phở bò" and the other way round. The text is stored in
PostSearchDocument; each word is weighted by the field that it comes from.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F, Value

from posts.models import PostQuerySet

# Has neither stemming nor stop words, so it suits Vietnamese as well as English.
CONFIGURATION = "simple"
MAX_TERMS = 12
MAX_TERM_LENGTH = 100  # characters; PostgreSQL rejects words of more than 2 kB
# Words of this length also match as prefixes. Vietnamese words without diacritics are too short
# for that: "cá" would find cats and castles.
MIN_PREFIX_LENGTH = 4
# Labels D to A: names of author and category; description and captions; tags; title.
WEIGHTS = [0.4, 0.8, 0.9, 1.0]
NAMES, TAGS, TITLE_AND_TAGS = "D", "B", "AB"
# Combining marks of Vietnamese and the European languages. Migration 0003 strips the same ones.
_MARKS = (
    "\u0300\u0301\u0302\u0303\u0304\u0306\u0308\u0309\u030a\u030b\u030c\u031b\u0323\u0327\u0328"
)
_STRAIGHT_QUOTES = str.maketrans("“”„«»", '"""""')
# Dropped from queries, unless a query has no other words.
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an and are as at be by for from in into is it its of on or over that the their there
        these this those to under was were which while with without some any
        va co o la cua voi cho nay kia thi ma nhung cac mot trong tren duoi khi luc vao""",
    )
)


@dataclass(frozen=True)
class Term:
    """A word or a quoted phrase. text: as typed; words: in lower case and without diacritics."""

    text: str
    words: tuple[str, ...]
    is_phrase: bool = False

    def expression(self, *, min_prefix_length: int = MIN_PREFIX_LENGTH, weights: str = "") -> str:
        """Return the term in `to_tsquery` syntax. weights: labels to search in, as "AB"; or all."""
        labels = f":{weights}" if weights else ""
        if self.is_phrase:
            return f"({' <-> '.join(f'{word}{labels}' for word in self.words)})"
        (word,) = self.words
        if len(word) >= min_prefix_length:
            return f"{word}:*{weights}"
        return f"({word}{labels} | {word}s{labels})"


def parse_terms(text: str) -> list[Term]:
    """Split a query into distinct terms, at most MAX_TERMS. Quoted words form a phrase."""
    terms: dict[tuple[str, ...], Term] = {}
    for quoted, unquoted in re.findall(r'"([^"]*)"|([^"]+)', text.translate(_STRAIGHT_QUOTES)):
        words = _split_words(quoted or unquoted)
        is_phrase = bool(quoted) and len(words) > 1
        for part in [words] if is_phrase else [[word] for word in words]:
            normalized = tuple(_normalize(word) for word in part)
            if all(normalized):
                terms[normalized] = Term(" ".join(part), normalized, is_phrase)
    content = [term for term in terms.values() if term.is_phrase or term.words[0] not in STOP_WORDS]
    return (content or list(terms.values()))[:MAX_TERMS]


def filter_by_words(posts: PostQuerySet, text: str) -> PostQuerySet:
    """Return the posts that match all terms of `text` as prefixes, annotated with `rank`."""
    terms = parse_terms(text)
    if not terms:
        return posts.none().annotate(rank=Value(0.0))
    query = _tsquery(" & ".join(term.expression(min_prefix_length=1) for term in terms))
    return posts.filter(search_document__document=query).annotate(rank=rank_by(query))


def match_all(terms: Iterable[Term], *, weights: str = "") -> SearchQuery:
    return _tsquery(" & ".join(term.expression(weights=weights) for term in terms))


def match_any(terms: Iterable[Term]) -> SearchQuery:
    return _tsquery(" | ".join(term.expression() for term in terms))


def prefix_query(text: str, weights: str) -> SearchQuery | None:
    """Return the query for text that is still being typed: its last word matches as a prefix."""
    words = [_normalize(word) for word in _split_words(text)[:MAX_TERMS]]
    if not words or not all(words):
        return None
    complete = [f"{word}:{weights}" for word in words[:-1]]
    return _tsquery(" & ".join([*complete, f"{words[-1]}:*{weights}"]))


def rank_by(query: SearchQuery) -> SearchRank:
    return SearchRank(F("search_document__document"), query, weights=Value(WEIGHTS))


def strip_diacritics(text: str) -> str:
    """Return the text in lower case and without diacritics."""
    table = str.maketrans("đĐ", "dd", _MARKS)
    return unicodedata.normalize("NFD", text.lower()).translate(table)


def _normalize(word: str) -> str:
    return strip_diacritics(word)[:MAX_TERM_LENGTH]


def _split_words(text: str) -> list[str]:
    # Composed first: a combining mark by itself is not a letter and would end the word.
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text))


def _tsquery(expression: str) -> SearchQuery:
    return SearchQuery(expression, config=CONFIGURATION, search_type="raw")


EMPTY_QUERY = _tsquery("")  # matches no document
