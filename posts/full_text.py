"""Search by words: PostgreSQL full text over what is written about a post and its captions.

Marks on letters do not matter: "pho bo" finds "Phở bò", and the other way round. What is searched
is stored in PostWords; its words have the weight of the place where they stand.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F, Value

from posts.models import PostQuerySet

# On every server, without stemming or stop words: serves Vietnamese and English alike.
CONFIGURATION = "simple"
MAX_TERMS = 12
MAX_TERM_LENGTH = 100  # characters; PostgreSQL refuses words of more than 2 kB
# A longer word also finds what it begins. Without their marks, Vietnamese words begin too much:
# "cá" would find cats and castles.
MIN_PREFIX_LENGTH = 4
# Of the name of author or category, of descriptions and captions, of tags, of the title.
WEIGHTS = [0.4, 0.8, 0.9, 1.0]
NAMES, TAGS, TITLE_AND_TAGS = "D", "B", "AB"
# Vietnamese, and the languages of Europe. Documents are folded in the same way by migration 0003.
_MARKS = (
    "\u0300\u0301\u0302\u0303\u0304\u0306\u0308\u0309\u030a\u030b\u030c\u031b\u0323\u0327\u0328"
)
# Words that say nothing about a picture; looked for only when there are no others.
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
    """A word, or the words of a quoted phrase, folded. `typed`: as the member wrote it."""

    typed: str
    words: tuple[str, ...]
    is_phrase: bool = False

    def expression(self, *, min_prefix_length: int = MIN_PREFIX_LENGTH, weights: str = "") -> str:
        """In the syntax of `to_tsquery`; weights: only in these places, as "AB"."""
        labels = f":{weights}" if weights else ""
        if self.is_phrase:
            return f"({' <-> '.join(f'{word}{labels}' for word in self.words)})"
        (word,) = self.words
        if len(word) >= min_prefix_length:
            return f"{word}:*{weights}"
        return f"({word}{labels} | {word}s{labels})"


def parse_terms(text: str) -> list[Term]:
    """The words of `text`, at most MOST_TERMS; what stands in quotes is one phrase."""
    found: list[Term] = []
    for phrase, rest in re.findall(r'"([^"]*)"|([^"]+)', text.translate(_QUOTES)):
        words = _split_words(phrase)
        if len(words) > 1:
            folded = tuple(strip_diacritics(word)[:MAX_TERM_LENGTH] for word in words)
            found.append(Term(" ".join(words), folded, is_phrase=True))
        else:
            found += [
                Term(word, (strip_diacritics(word)[:MAX_TERM_LENGTH],))
                for word in words or _split_words(rest)
            ]
    unique = list({term.words: term for term in found if all(term.words)}.values())
    telling = [term for term in unique if term.words[0] not in STOP_WORDS or term.is_phrase]
    return (telling or unique)[:MAX_TERMS]


def filter_by_words(posts: PostQuerySet, words: str) -> PostQuerySet:
    """Those of `posts` in which every term of `words` begins a word, each with its `rank`."""
    terms = parse_terms(words)
    if not terms:
        return posts.none().annotate(rank=Value(0.0))
    query = _tsquery(" & ".join(term.expression(min_prefix_length=1) for term in terms))
    return posts.filter(search_document__document=query).annotate(rank=rank_by(query))


def match_all(terms: Iterable[Term], *, weights: str = "") -> SearchQuery:
    return _tsquery(" & ".join(term.expression(weights=weights) for term in terms))


def match_any(terms: Sequence[Term]) -> SearchQuery:
    return _tsquery(" | ".join(term.expression() for term in terms))


def prefix_query(text: str, weights: str) -> SearchQuery | None:
    """For who still types: the words of `text`, of which the last may have just begun."""
    words = [strip_diacritics(word)[:MAX_TERM_LENGTH] for word in _split_words(text)[:MAX_TERMS]]
    if not all(words) or not words:
        return None
    done = [f"{word}:{weights}" for word in words[:-1]]
    return _tsquery(" & ".join([*done, f"{words[-1]}:*{weights}"]))


def rank_by(query: SearchQuery) -> SearchRank:
    return SearchRank(F("search_document__document"), query, weights=Value(WEIGHTS))


def strip_diacritics(text: str) -> str:
    """In lower case and without marks."""
    folding = str.maketrans("đĐ", "dd", _MARKS)
    return unicodedata.normalize("NFD", text.lower()).translate(folding)


_QUOTES = str.maketrans("“”„«»", '"""""')


def _split_words(text: str) -> list[str]:
    # Composed, for a mark on its own is no letter and would end its word.
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text))


def _tsquery(expression: str) -> SearchQuery:
    return SearchQuery(expression, config=CONFIGURATION, search_type="raw")


EMPTY_QUERY = _tsquery("")  # no document matches it
