"""Parsing of typed queries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts.full_text import MAX_TERMS
from search.composed_query import compose_text, subject_of
from search.query import MAX_EXCLUDED, parse_query
from tests.properties import examples

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("typed", "text", "excluded"),
    [
        ("sunset -people", "sunset", ("people",)),
        ('beach -"red boat" sand', "beach sand", ("red boat",)),
        ("-people sunset", "sunset", ("people",)),
        ("hot-air balloon", "hot-air balloon", ()),
        ("sea - sky", "sea - sky", ()),
        ("-", "", ()),
        ("sea -", "sea -", ()),
        ("phố cổ -xe", "phố cổ", ("xe",)),
        ("-cat -dog", "", ("cat", "dog")),
        ("a -cat -cat", "a", ("cat",)),
        ("“red boat” sea", "red boat sea", ()),
        ("🐱", "🐱", ()),
        ("pets -🐱", "pets", ("🐱",)),
        ("?!", "", ()),
    ],
)
def test_a_minus_before_a_word_excludes_it(
    typed: str, text: str, excluded: tuple[str, ...]
) -> None:
    query = parse_query(typed)
    assert (query.text, query.excluded) == (text, excluded)


def test_more_can_be_excluded_in_addition_to_the_text() -> None:
    query = parse_query("sea -boat", negative="people, red car, ,boat")
    assert query.excluded == ("boat", "people", "red car")
    assert len(parse_query("", negative="a1,b2,c3,d4,e5,f6,g7").excluded) == MAX_EXCLUDED


def test_a_quoted_phrase_stays_together_and_is_required() -> None:
    query = parse_query('boat "Biển Đông" of sand')
    assert [term.words for term in query.terms] == [("boat",), ("bien", "dong"), ("sand",)]
    assert [term.text for term in query.required] == ["Biển Đông"]


def test_stop_words_count_only_if_there_are_no_others() -> None:
    assert [term.text for term in parse_query("a cat in the city").terms] == ["cat", "city"]
    assert [term.text for term in parse_query("the").terms] == ["the"]
    assert [term.text for term in parse_query("the 🐱!").terms] == ["🐱"]


def test_terms_are_shown_as_typed() -> None:
    terms = parse_query('Phố-Huế, (กรุงเทพ) "Hồ Tây" Ænima').terms
    assert [term.text for term in terms] == ["Phố", "Huế", "กรุงเทพ", "Hồ Tây", "Ænima"]


@examples(40)
@given(st.text())
def test_any_text_can_be_read(typed: str) -> None:
    query = parse_query(typed)
    assert len(query.terms) <= MAX_TERMS
    assert all(all(term.words) for term in query.terms)


@pytest.mark.parametrize(
    ("caption", "subject"),
    [
        ("two large red boats by a lake at night", "boats"),
        ("a pink hot-air balloon and a black horse", "hot-air balloon"),
        ("a man riding a horse", "man"),
        ("in the snow", "snow"),
        ("", ""),
        ("a small red", ""),
    ],
)
def test_a_caption_has_a_subject_without_attributes(caption: str, subject: str) -> None:
    assert subject_of(caption) == subject


def test_a_change_leads_the_subject() -> None:
    assert compose_text("a red boat by a lake", "blue") == "blue boat"
    assert compose_text("", "blue") == "blue"
