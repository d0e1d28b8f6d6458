"""Folding of text for search: the same words for the same text, however it is written."""

import sys
import unicodedata
from functools import partial

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from smimso.text import MAX_FOLDED_LENGTH, fold, text_key
from tests.properties import examples

pytestmark = pytest.mark.django_db
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
CASES = (str.lower, str.upper, str.title, str.casefold, str.swapcase)


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Phở bò, Đà Nẵng!", "pho bo da nang"),
        ("Ðà Nẵng đ ð Ɖ", "da nang d d d"),  # Ð is Icelandic, Ɖ African
        ("Łódź żaba ÆØÅ æøå Œuvre Straße STRAẞE", "lodz zaba aeoa aeoa oeuvre strasse strasse"),
        ("Ħal ŧ ƀ Þór ı İstanbul ISI ısı", "hal t b thor i istanbul isi isi"),
        ("București Ţară", "bucuresti tara"),
        ("ＡＢＣ１２３ ﬁn Ⅷ m² ½ ① ㎏", "abc123 fin viii m2 1 2 1 kg"),
        ("ΟΔΟΣ ὁδός", "οδοσ οδοσ"),
        ("Ёлка ЙОГА", "елка иога"),
        ("rock'n'roll l’été Mary-Jane snake_case", "rock n roll l ete mary jane snake case"),
        ("so\u00adft zero\u200bwidth می\u200cخواهم", "soft zero width ميخواهم"),
        ("العَرَبِيَّة كـتاب على علی", "العربية كتاب علي علي"),
        ("שָׁלוֹם", "שלום"),
        ("กรุงเทพ 2024", "ก_รุ_ง_เ_ท_พ 2024"),
        ("東京タワー ﾀﾜｰ が", "東_京_タ_ワ_ー タ_ワ_ー か\u3099"),
        ("🐱mèo🐱🐶", "🐱 meo 🐱 🐶"),
        ("👍🏽 ❤️ 👨‍👩‍👧 🇻🇳🇫🇷 1️⃣ ™©№ 5€", "👍 ❤ 👨 👩 👧 🇻🇳 🇫🇷 1 \u20e3 tm © no 5 €"),
        ("\0 \u200b \u3164 ?! _ <&>", ""),
        ("\ud800 a", "a"),
        ("", ""),
    ],
)
def test_words_are_folded(written: str, folded: str) -> None:
    assert fold([written]) == [folded]


@pytest.mark.parametrize("pair", ["аa", "еe", "Аα", "Ηн", "оo", "oο", "ρp"])
def test_letters_of_other_scripts_stay_different(pair: str) -> None:
    """Cyrillic and Greek letters look like Latin ones, but they are other letters."""
    assert len(set(fold(pair))) == 2


def test_every_character_is_folded_alike_in_any_form_and_case() -> None:
    changes = [*CASES, *(partial(unicodedata.normalize, form) for form in FORMS)]
    pairs = {
        (character, changed)
        for character in map(chr, range(1, sys.maxunicode + 1))
        if unicodedata.category(character) not in ("Cn", "Co", "Cs")
        for change in changes
        if not character.isascii() and (changed := change(character)) != character
        if not 0xAC00 <= ord(character) <= 0xD7A3  # syllables of Hangul: algorithmic
    }
    one, other = map(fold, zip(*pairs, strict=True))
    assert len(pairs) > 8_000
    assert one == other


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@examples(50)
@given(text=TEXT, form=st.sampled_from(FORMS))
def test_every_text_is_folded_alike_in_any_form(text: str, form: str) -> None:
    once, normalized = fold([text, unicodedata.normalize(form, text)])
    assert once == normalized
    assert "  " not in once
    assert once == once.strip()


def test_a_high_stack_of_marks_takes_no_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '2s'")
        cursor.execute("SELECT folded_words(%s)::text", ["ก" + "\u0e48\u0e38" * 30_000])
        assert cursor.fetchone()[0].startswith("'ก")


def test_a_long_text_is_cut() -> None:
    assert len(fold(["a" * 100_000])[0]) == MAX_FOLDED_LENGTH
    assert fold([]) == []


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Sunset", "SUNSET", True),
        ("hoàng  hôn ", "Ho\u00e0ng h\u00f4n", True),
        ("hoa\u0300ng", "hoàng", True),
        ("ｓｅａ", "sea", True),
        ("❤️", "❤", True),
        ("straße", "STRASSE", True),
        ("má", "ma", False),
        ("sea side", "seaside", False),
    ],
)
def test_a_key_says_whether_texts_are_the_same_to_a_reader(
    one: str, other: str, is_same: bool
) -> None:
    assert (text_key(one) == text_key(other)) is is_same
