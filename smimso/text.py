"""Text as search compares it: folded and split by one definition, a function of the database.

Triggers and indexes call `fold_text` for what is stored, `fold` calls it for what is asked. So both
agree, whatever program wrote a row, and whatever version of Unicode Python and PostgreSQL know.
"""

import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db import connection
from django.db.models import Func

MAX_FOLDED_LENGTH = 2_000  # characters of a text that is asked; far more than its words are used
MAX_WORD_LENGTH = 100  # characters; PostgreSQL rejects words of more than 2 kB
MAX_STACKED_MARKS = 30  # on one letter, as in the stream-safe format of Unicode (UAX #15)
UNIT = "_"  # joins the units of a word of a script without blanks


class FoldedWords(Func):
    """The words of a text as a tsvector, with their positions. See `fold`."""

    function = "folded_words"
    output_field = SearchVectorField()


class WordQuery(SearchQuery):
    """A query in the syntax of tsquery, of words that are folded already.

    It is cast: the parser of `to_tsquery` would drop emoji and split words.
    """

    template = "(%(expressions)s)::tsquery"

    def __init__(self, expression: str) -> None:
        super().__init__(expression, search_type="raw")


def fold(texts: Iterable[str]) -> list[str]:
    """Return the folded words of each text, separated by blanks, in one query.

    Words are compatibility-decomposed, in lower case and without diacritics and invisible
    characters: "Phở BÒ ﬁ m²" becomes "pho bo fi m2". Letters that look alike in two scripts stay
    different. An emoji or another symbol is a word. In scripts without blanks, a word consists of
    units, joined by UNIT: "東京" becomes "東_京", so that it is also found by a part.
    """
    given = [_storable(text[:MAX_FOLDED_LENGTH]) for text in texts]
    if not any(given):
        return given
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(fold_text(written) ORDER BY number)"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS texts (written, number)",
            [given],
        )
        return cursor.fetchone()[0]


def _storable(text: str) -> str:
    """Drop the characters that PostgreSQL cannot store: NUL and lone surrogates."""
    return text.replace("\0", " ").encode(errors="ignore").decode().strip()


def text_key(text: str) -> str:
    """Return a key that is equal for texts that are the same to a reader.

    Case, width, composition, blanks and invisible characters make no difference; accents do: "má"
    and "ma" are two texts.
    """
    folded = text.casefold()
    if not text.isascii():
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        folded = "".join(
            each
            for each in folded
            if each.isalnum() or not _is_invisible(each, unicodedata.category(each))
        )
    return " ".join(folded.split())


# --- The definition in SQL ----------------------------------------------------------------------

# Letters with a stroke and other variants, which Unicode does not decompose.
_LETTERS = {
    **dict(zip("ςđðɖłƚøħŧıƀȼɇǥɨɉɍʉɏƶⱥᵽىیک", "σdddllohtibcegijruyzapييك", strict=True)),
    **{"æ": "ae", "œ": "oe", "ß": "ss", "þ": "th"},
}
# Thai, Lao, Burmese, Khmer, kana, bopomofo, Han, Yi: they are written without blanks.
_UNSPACED = [
    *[(0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x312F)],
    *[(0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0xA4CF), (0x1B000, 0x1B16F), (0x20000, 0x3FFFF)],
]
_MODIFIER_LETTERS = range(0x02B9, 0x0300)  # apostrophes, accents on their own
_VOICING_MARKS = "\u3099\u309a"  # they make other kana
_FILLERS = "\u115f\u1160"  # blank letters of Hangul
_ZERO_WIDTH_SPACE = "\u200b"
_TATWEEL = "\u0640"
_SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_MATHEMATICAL_SEPARATORS = "+<=>|~¬±⁄−"
_OTHER_EMOJI = "\u20e3\u3030\u303d"  # a keycap, and two of punctuation
_INVISIBLE = [
    *[(0x034F, 0x034F), (0x17B4, 0x17B5), (0x180B, 0x180F), (0xFE00, 0xFE0F)],
    (0xE0000, 0xE0FFF),
]


def _is_in(character: str, ranges: list[tuple[int, int]]) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)


def _is_invisible(character: str, category: str) -> bool:
    is_format = category == "Cf" and character != _ZERO_WIDTH_SPACE
    return is_format or _is_in(character, _INVISIBLE)


def _is_mark(character: str, category: str) -> bool:
    """Return True for a mark that normalization may reorder."""
    return unicodedata.combining(character) != 0


def _is_ignored(character: str, category: str) -> bool:
    """Return True for diacritics and for what is not visible by itself, such as skin tones.

    The combining classes that are left out hold vowels, viramas, nuktas and tones.
    """
    combining = unicodedata.combining(character)
    is_diacritic = combining == 1 or 10 <= combining <= 35 or combining >= 200
    is_invisible = _is_invisible(character, category)
    return is_diacritic or is_invisible or character == _TATWEEL or character in _SKIN_TONES


def _is_symbol(character: str, category: str) -> bool:
    is_mathematical = category == "Sm" and character not in _MATHEMATICAL_SEPARATORS
    return is_mathematical or category in ("So", "Sc") or character in _OTHER_EMOJI


def _is_separator(character: str, category: str) -> bool:
    is_blank = ord(character) in _MODIFIER_LETTERS or character in _FILLERS
    return (is_blank or category[0] in "PSZC") and not _is_symbol(character, category)


def _is_unit(character: str, category: str) -> bool:
    return category[0] == "L" and _is_in(character, _UNSPACED)


def _continues_unit(character: str, category: str) -> bool:
    return category[0] == "M" and (_is_in(character, _UNSPACED) or character in _VOICING_MARKS)


def _character_class(belongs: Callable[[str, str], bool]) -> str:
    """Return the inside of a bracket expression for characters that have no decomposition.

    Characters that are not assigned may be on either side, which makes the ranges few.
    """
    ranges: list[list[int]] = []
    is_open = False
    for character, category in _categories():
        if not belongs(character, category):
            is_open = False
        elif is_open:
            ranges[-1][1] = ord(character)
        else:
            ranges.append([ord(character)] * 2)
            is_open = True
    return "".join(f"\\U{first:08X}-\\U{last:08X}" for first, last in ranges)


@cache
def _categories() -> list[tuple[str, str]]:
    """Return the characters that have no decomposition, each with its general category."""
    characters = map(chr, [*range(1, 0x20000), *range(0xE0000, 0xE0200)])
    undivided = (each for each in characters if not unicodedata.decomposition(each))
    pairs = ((each, unicodedata.category(each)) for each in undivided)
    return [(each, category) for each, category in pairs if category not in ("Cn", "Co", "Cs")]


def fold_text_sql() -> str:
    """Return the definition of `fold_text`, for migrations.

    A change of the words of a text needs a migration that replaces the function, rebuilds its
    indexes and renews the search documents. Texts are cut to 60,000 characters, because PostgreSQL
    refuses a tsvector of more than 1 MB, and so the write.
    """
    mark = _character_class(_is_mark)
    unit = _character_class(_is_unit) + r"\U00020000-\U0003FFFF"
    single = {letter: other for letter, other in _LETTERS.items() if len(other) == 1}
    replaced = f"translate(folded, '{''.join(single)}', '{''.join(single.values())}')"
    for letter in _LETTERS:
        if letter not in single:
            replaced = f"replace({replaced}, '{letter}', '{_LETTERS[letter]}')"
    return rf"""
CREATE OR REPLACE FUNCTION fold_text(written text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
DECLARE
    folded text := left(written, 60000);
BEGIN
    IF octet_length(folded) = length(folded) THEN  -- ASCII
        folded := regexp_replace(lower(folded), '[^a-z0-9$]+', ' ', 'g');
        RETURN btrim(regexp_replace(replace(folded, '$', ' $ '), '  +', ' ', 'g'));
    END IF;
    -- The time to normalize grows with the square of a stack's height.
    folded := regexp_replace(folded, '([{mark}]{{{MAX_STACKED_MARKS}}})[{mark}]+', '\1', 'g');
    -- In upper case first: several letters may have one upper case (σ and ς, ı and i).
    folded := lower(upper(left(normalize(folded, NFKD), 60000)));
    folded := regexp_replace(folded, '[{_character_class(_is_ignored)}]+', '', 'g');
    folded := {replaced};
    folded := regexp_replace(folded, '[{_character_class(_is_separator)}]+', ' ', 'g');
    -- A flag consists of two letters of its own kind.
    folded := regexp_replace(
        folded, '[\U0001F1E6-\U0001F1FF]{{2}}|[{_character_class(_is_symbol)}]', ' \& ', 'g'
    );
    IF folded ~ '[{unit}]' THEN
        folded := regexp_replace(
            folded, '[{unit}][{_character_class(_continues_unit)}]*', '_\&_', 'g'
        );
        folded := regexp_replace(folded, '_*( |$|^)_*', '\1', 'g');
        folded := regexp_replace(folded, '__+', '_', 'g');
    END IF;
    RETURN btrim(regexp_replace(folded, '  +', ' ', 'g'));
END $$;
"""


# Not by `to_tsvector`: its parser drops emoji and splits words by the locale of the database.
FOLDED_WORDS_SQL = f"""
CREATE OR REPLACE FUNCTION folded_words(written text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 SET search_path FROM CURRENT AS $$
BEGIN
    RETURN (
        SELECT coalesce(
            string_agg(format('%L:%s', left(word, {MAX_WORD_LENGTH}), number), ' '), ''
        )::tsvector
        FROM unnest(string_to_array(translate(fold_text(written), '{UNIT}', ' '), ' '))
            WITH ORDINALITY AS words (word, number)
    );
END $$;
"""  # noqa: S608 - of constants
