"""PostgreSQL full-text search over the texts of posts and the captions of their pictures.

Diacritics are ignored: "pho bo" finds "Phở bò" and the other way round. The text is stored in
PostSearchDocument; each word is weighted by the field that it comes from.
"""

import re
import string
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.contrib.postgres.search import SearchRank
from django.db.models import F, Value

from posts.models import PostQuerySet
from smimso.text import MAX_FOLDED_LENGTH, MAX_WORD_LENGTH, UNIT, WordQuery, fold

MAX_TERMS = 12
# Words of this length also match as prefixes. Vietnamese words without diacritics are too short
# for that: "cá" would find cats and castles.
MIN_PREFIX_LENGTH = 4
# Labels D to A: names of author and category; description and captions; tags; title.
WEIGHTS = [0.4, 0.8, 0.9, 1.0]
NAMES, TAGS, TITLE_AND_TAGS = "D", "B", "AB"
_PUNCTUATION = string.punctuation + "“”„«»‘’…–—。、，！？"
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
    """A word or a quoted phrase. text: as typed; words: folded (`smimso.text`).

    A word of a script without blanks has several `words`: its units, which follow one another.
    """

    text: str
    words: tuple[str, ...]
    is_phrase: bool = False

    @property
    def is_symbol(self) -> bool:
        """Return True for an emoji and other signs: they count only where there are no words."""
        return not any(character.isalnum() for word in self.words for character in word)

    def expression(self, *, min_prefix_length: int = MIN_PREFIX_LENGTH, weights: str = "") -> str:
        """Return the term in tsquery syntax. weights: labels to search in, as "AB"; or all."""
        if self.is_phrase:
            return _sequence(self.words, weights)
        if len(self.words) > 1 or len(self.words[0]) >= min_prefix_length:
            return _sequence(self.words, weights, is_prefix=True)
        (word,) = self.words
        return f"({_lexeme(word, weights)} | {_lexeme(f'{word}s', weights)})"


def parse_terms(text: str) -> list[Term]:
    """Split a query into distinct terms, at most MAX_TERMS. Quoted words form a phrase.

    Stop words and symbols are dropped, unless the query has no other words.
    """
    terms = {term.words: term for term in _all_terms(text.translate(_STRAIGHT_QUOTES))}.values()
    words = [term for term in terms if term.is_phrase or not _is_secondary(term)]
    symbols = [term for term in terms if term.is_symbol]
    return (words or symbols or list(terms))[:MAX_TERMS]


def parse_phrases(texts: Iterable[str]) -> list[Term]:
    """Return a term for each text that has words: the word, or all of them in this order."""
    given = list(texts)
    pairs = zip(given, fold(given), strict=True)
    return [Term(text, _units(words), " " in words) for text, words in pairs if words]


def _is_secondary(term: Term) -> bool:
    return term.is_symbol or term.words[0] in STOP_WORDS


def _all_terms(text: str) -> Iterator[Term]:
    """Yield the terms of a text, in one query."""
    parts: list[tuple[str, bool]] = []
    for quoted, unquoted in re.findall(r'"([^"]*)"|([^"]+)', text[:MAX_FOLDED_LENGTH]):
        parts += [(quoted, True)] if quoted else [(part, False) for part in unquoted.split()]
    for (typed, is_quoted), folded in zip(parts, fold(part for part, _ in parts), strict=True):
        words = folded.split()
        shown = _split_as_typed(typed, words)
        if is_quoted and len(words) > 1:
            yield Term(" ".join(shown), _units(folded), is_phrase=True)
        else:
            yield from (Term(*pair) for pair in zip(shown, map(_units, words), strict=True))


def _units(folded: str) -> tuple[str, ...]:
    return tuple(word[:MAX_WORD_LENGTH] for word in folded.replace(UNIT, " ").split())


def _split_as_typed(typed: str, folded: list[str]) -> list[str]:
    """Return the words as typed, to be shown; as they are folded where they differ in number."""
    stripped = typed.strip(_PUNCTUATION)
    if len(folded) == 1 and stripped:
        return [stripped]
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", typed))
    return words if len(words) == len(folded) else [word.replace(UNIT, "") for word in folded]


def filter_by_words(posts: PostQuerySet, text: str) -> PostQuerySet:
    """Return the posts that match all terms of `text` as prefixes, annotated with `rank`."""
    query = words_query(text)
    if query is None:
        return posts.none().annotate(rank=Value(0.0))
    return posts.filter(search_document__document=query).annotate(rank=rank_by(query))


def words_query(text: str) -> WordQuery | None:
    """Return the query for all terms of `text` as prefixes; None without terms."""
    terms = parse_terms(text)
    expressions = [term.expression(min_prefix_length=1) for term in terms]
    return WordQuery(" & ".join(expressions)) if terms else None


def match_all(terms: Iterable[Term], *, weights: str = "") -> WordQuery:
    return WordQuery(" & ".join(term.expression(weights=weights) for term in terms))


def match_any(terms: Iterable[Term]) -> WordQuery:
    return WordQuery(" | ".join(term.expression() for term in terms))


def match_phrases(texts: Iterable[str], weights: str) -> list[WordQuery]:
    """Return a query for each text: its words in this order. Without words it matches nothing."""
    return [WordQuery(_sequence(_units(folded), weights)) for folded in fold(texts)]


def prefix_query(words: Sequence[str], weights: str) -> WordQuery:
    """Return the query for folded words, of which the last one is still being typed."""
    complete = [_sequence(_units(word), weights) for word in words[:-1]]
    begun = [_sequence(_units(word), weights, is_prefix=True) for word in words[-1:]]
    return WordQuery(" & ".join([*complete, *begun]))


def rank_by(query: WordQuery) -> SearchRank:
    return SearchRank(F("search_document__document"), query, weights=Value(WEIGHTS))


def _sequence(words: Sequence[str], weights: str, *, is_prefix: bool = False) -> str:
    """Return an expression for words that follow one another; the last one may be a prefix."""
    last = len(words) - 1
    lexemes = [
        _lexeme(word, weights, is_prefix=is_prefix and number == last)
        for number, word in enumerate(words)
    ]
    return f"({' <-> '.join(lexemes)})" if len(lexemes) > 1 else "".join(lexemes)


def _lexeme(word: str, weights: str, *, is_prefix: bool = False) -> str:
    labels = "*" * is_prefix + weights
    return f"'{word}':{labels}" if labels else f"'{word}'"
