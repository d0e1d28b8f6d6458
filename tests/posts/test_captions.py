"""From a caption to a title and tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts.ingest.captions import tags_from, title_from


def test_a_title_begins_with_a_capital_and_keeps_the_rest() -> None:
    assert title_from(" a red BMW near the sea ") == "A red BMW near the sea"


def test_a_long_caption_is_cut_at_a_word() -> None:
    caption = "word " * 30
    title = title_from(caption)
    assert title == ("Word " + "word " * 18).strip() + " word"
    assert len(title) <= 100


def test_a_caption_of_exactly_a_hundred_characters_is_kept() -> None:
    caption = "a" * 49 + " " + "b" * 50
    assert title_from(caption) == "A" + caption[1:]


def test_one_endless_word_is_cut_in_the_middle() -> None:
    assert title_from("x" * 300) == "X" + "x" * 99


def test_tags_are_the_telling_words_once_in_order() -> None:
    caption = "A brown dog, with a dog, runs near the river; under trees from that River house yard"
    assert tags_from(caption) == ["brown", "runs", "river", "trees", "house"]


@pytest.mark.parametrize("caption", ["", "   ", "a an the of", "...", "with from this that"])
def test_a_caption_that_tells_nothing_gives_no_tags(caption: str) -> None:
    assert tags_from(caption) == []


def test_vietnamese_words_are_words() -> None:
    assert tags_from("Một con thuyền trên sông Hương") == ["thuyền", "trên", "sông", "hương"]


@given(st.text(max_size=400))
def test_any_caption_gives_what_the_columns_hold(caption: str) -> None:
    assert len(title_from(caption)) <= 255
    assert len(tags_from(caption)) <= 5
