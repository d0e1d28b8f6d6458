"""One rule for text that members write: what stays, what is removed, and what counts as empty.

`clean_line` is for names, titles and tags, `clean_text` for text of several lines. Both remove
control characters, noncharacters and direction controls that reverse text around them, limit stacks
of combining marks, and return "" for a text that shows nothing. Joiners stay, because Persian
words, Indic scripts and emoji need them. The result is in NFC.
"""

import re
import unicodedata

MAX_LENGTH = 100_000  # characters; more than any field accepts
MAX_STACKED_MARKS = 10  # combining marks on one letter; living scripts need up to six

_LINE_BREAK = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF)
)
_CONTROL = re.compile(
    f"[\x01-\x08\x0e-\x1b\x1f\x7f-\x9f\u206a-\u206f\ufff9-\ufffb{_NONCHARACTERS}]"
)
# Forms refuse these with errors of their own.
_REFUSED = re.compile("[\0\ud800-\udfff]")
# Tag characters are invisible, except in a flag such as that of Scotland.
_TAG = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f)|[\U000e0000-\U000e007f]")
# Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9).
_DIRECTION = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_OVERRIDE = re.compile("[\u202d\u202e]")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_END_OF_EMBEDDING, _END_OF_ISOLATE = "\u202c", "\u2069"
_ENDS = dict.fromkeys("\u202a\u202b", _END_OF_EMBEDDING)
_ENDS |= dict.fromkeys("\u2066\u2067\u2068", _END_OF_ISOLATE)
# Letters and symbols without a glyph: Hangul fillers, blanks of Braille, hieroglyphs and music,
# and the placeholder of embedded objects.
_WITHOUT_GLYPH = frozenset("\u115f\u1160\u3164\uffa0\u2800\ufffc\U00013441\U00013442\U0001d159")
_IGNORED_UNASSIGNED = re.compile("[\u2065\ufff0-\ufff8\U000e0000-\U000e0fff]")
# Blank wherever they stand, so that they can be removed from the ends of a text.
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))
_BLANKS += "\u00ad\u034f\u180e\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\u2065"
_BLANKS += "\u2800\u3164\ufeff\uffa0"


def clean_line(text: str) -> str:
    """Return the text as one line without direction controls; "" if it shows nothing."""
    line = _DIRECTION.sub("", _clean(text))
    return _strip(line.replace("\n", " ").replace("\t", " "))


def clean_text(text: str) -> str:
    """Return the text with its lines and tabs; "" if it shows nothing.

    Overrides are removed, and so are direction controls that their line does not close.
    """
    lines = _OVERRIDE.sub("", _clean(text)).split("\n")
    return _strip("\n".join(map(_drop_unclosed, lines)))


def isolate(text: str) -> str:
    """Return the text as one line whose direction does not affect the plain text around it."""
    line = clean_line(text)
    is_mixed = any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in line)
    return f"\u2068{line}{_END_OF_ISOLATE}" if is_mixed else line


def is_visible(character: str) -> bool:
    """Return True if the character has a glyph of its own; a combining mark alone has none."""
    if character in _WITHOUT_GLYPH or _IGNORED_UNASSIGNED.match(character):
        return False
    category = unicodedata.category(character)
    # Unassigned characters (Cn) may be emoji that are newer than this Python.
    return category[0] in "LNPS" or category in ("Cn", "Co")


def _clean(text: str) -> str:
    text = text[:MAX_LENGTH]
    if text.isascii() and text.isprintable():
        return text
    text = _CONTROL.sub("", _LINE_BREAK.sub("\n", text))
    text = _TAG.sub(lambda match: match[1] or "", text)
    # Marks first, because the time to normalize grows with the square of a stack's height.
    return unicodedata.normalize("NFC", _limit_marks(text))


def _strip(text: str) -> str:
    stripped = text.strip(_BLANKS)
    return stripped if any(map(is_visible, stripped)) or _REFUSED.search(stripped) else ""


def _limit_marks(text: str) -> str:
    """Remove the marks of each stack beyond MAX_STACKED_MARKS."""
    limited, height = [], 0
    for character in text:
        height = height + 1 if _is_mark(character) else 0
        if height <= MAX_STACKED_MARKS:
            limited.append(character)
    return "".join(limited)


def _is_mark(character: str) -> bool:
    return character >= "\u0300" and (
        unicodedata.combining(character) > 0 or unicodedata.category(character) in ("Mn", "Me")
    )


def _drop_unclosed(line: str) -> str:
    """Remove embeddings and isolates without an end in this line, and ends without a start."""
    if not _DIRECTION.search(line):
        return line
    characters, opened = list(line), list[int]()
    for position, character in enumerate(line):
        if character in _ENDS:
            opened.append(position)
        elif character in (_END_OF_EMBEDDING, _END_OF_ISOLATE):
            if opened and _ENDS[line[opened[-1]]] == character:
                opened.pop()
            else:
                characters[position] = ""
    for position in opened:
        characters[position] = ""
    return "".join(characters)
