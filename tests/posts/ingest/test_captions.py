"""Titles and tags made from captions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts.ingest.captions import extract_tags, make_title


def test_a_title_begins_with_a_capital_and_keeps_the_rest() -> None:
    assert make_title(" a red BMW near the sea ") == "A red BMW near the sea"


def test_a_long_caption_is_cut_at_a_word() -> None:
    caption = "word " * 30
    title = make_title(caption)
    assert title == ("Word " + "word " * 18).strip() + " word"
    assert len(title) <= 100


def test_a_caption_of_exactly_a_hundred_characters_is_not_cut() -> None:
    caption = "a" * 49 + " " + "b" * 50
    assert make_title(caption) == "A" + caption[1:]


def test_one_endless_word_is_cut_in_the_middle() -> None:
    assert make_title("x" * 300) == "X" + "x" * 99


def test_tags_are_the_distinct_content_words_in_order() -> None:
    caption = "A brown dog, with a dog, runs near the river; under trees from that River house yard"
    assert extract_tags(caption) == ["brown", "runs", "river", "trees", "house"]


@pytest.mark.parametrize("caption", ["", "   ", "a an the of", "...", "with from this that"])
def test_a_caption_without_content_words_gives_no_tags(caption: str) -> None:
    assert extract_tags(caption) == []


def test_vietnamese_words_are_words() -> None:
    assert extract_tags("Một con thuyền trên sông Hương") == ["thuyền", "trên", "sông", "hương"]


@given(st.text(max_size=400))
def test_titles_and_tags_of_any_caption_fit_into_the_columns(caption: str) -> None:
    assert len(make_title(caption)) <= 255
    assert len(extract_tags(caption)) <= 5
