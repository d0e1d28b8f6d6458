"""Repetition in generated captions. Free of torch.

A language model that sees nothing it knows (stripes, noise, a flat color) starts to repeat itself.
While it generates, decoders ban repeated 3-grams of word pieces (`NO_REPEAT_NGRAM`); what still
repeats words, phrases or signs is no description of a picture, and is dropped.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

NO_REPEAT_NGRAM = 3  # word pieces; as `no_repeat_ngram_size` of transformers
MAX_CHARACTERS = 1_000  # that are looked at; a caption of 30 word pieces has less than 300
MAX_PHRASE = 8  # words of a phrase that is said twice in a row
MIN_WORDS = 8  # of a text whose distinct words are counted
MIN_DISTINCT = 0.5  # of all words
# The same letters four times in a row, as in writing without blanks, or one sign three times.
# Digits and dots may repeat.
_RUN = re.compile(r"([^\d\s]\D{0,11}?)\1{3}|([^\w\s.])(?:\W*\2){2}")


def is_repetitive(text: str) -> bool:
    """Return True for a text that repeats itself or has no words.

    That is: one word three times in a row, nothing but one word several times, a phrase of two
    to eight words twice in a row, one word in more than half of the places, few distinct words,
    or a run of the same signs. The language does not matter; neither do case and punctuation.
    """
    text = unicodedata.normalize("NFC", text[:MAX_CHARACTERS]).casefold()
    words = _split(text)
    if not words:
        return True
    return bool(_RUN.search(text)) or _has_few_words(words) or _has_a_phrase_twice(words)


def without_repetition(caption: str | None) -> str | None:
    """Return the caption, or None instead of one that is repetitive."""
    return caption if caption and not is_repetitive(caption) else None


def _split(text: str) -> list[str]:
    """Return the words, without punctuation. Marks belong to words: many scripts need them."""
    return "".join(
        " " if unicodedata.category(each)[0] in "PSZC" else each for each in text
    ).split()


def _has_few_words(words: Sequence[str]) -> bool:
    count, distinct = len(words), len(set(words))
    commonest = Counter(words).most_common(1)[0][1]
    return (
        (count > 1 and distinct == 1)
        or (commonest > 2 and 2 * commonest > count)
        or (count >= MIN_WORDS and distinct < MIN_DISTINCT * count)
    )


def _has_a_phrase_twice(words: Sequence[str]) -> bool:
    """Return True if a phrase follows itself, or a word twice: "very, very large" is English."""
    for length in range(1, MAX_PHRASE + 1):
        needed = max(2, length)  # equal pairs in a row, `length` apart
        equal = 0
        for first, second in zip(words, words[length:], strict=False):
            equal = equal + 1 if first == second else 0
            if equal == needed:
                return True
    return False
