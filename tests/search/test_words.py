"""Search by keywords, in any language and for any input."""

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Category, User
from posts.full_text import filter_by_words
from posts.models import Post
from tests.properties import examples
from tests.visibility import VISIBILITIES, each_member

pytestmark = pytest.mark.django_db
NewPost = Callable[..., Post]


def titles(viewer: Any, words: str) -> list[str]:
    found = filter_by_words(Post.objects.visible_to(viewer), words)
    return [post.title for post in found.order_by("-rank", "-created_at")]


@pytest.fixture
def described(owner: User, vector_post: NewPost) -> Post:
    """A post with a distinct word in each indexed text."""
    owner.last_name = "Nguyễn"
    owner.save()
    category = Category.objects.create(name="Cuisine", slug="cuisine", prompt="food")
    post = vector_post(
        None,
        None,
        title="Titleword",
        description="Descriptionword",
        tags=["tagword", "Hai Chữ"],
        category=category,
    )
    first, second = post.images.all()
    first.ai_caption, first.user_caption = "machineword", "authorword"
    second.caption, second.user_caption = "legacyword", "secondword"
    first.save()
    second.save()
    return post


@pytest.mark.parametrize(
    "word",
    [
        *("titleword", "descriptionword", "tagword", "hai chữ", "cuisine", "owner", "nguyễn"),
        *("machineword", "authorword", "legacyword", "secondword"),
        *("titleword secondword", "TITLEWORD", "title desc"),
    ],
)
def test_every_word_about_a_post_finds_it(word: str, described: Post, stranger: User) -> None:
    assert titles(stranger, word) == ["Titleword"]


@pytest.mark.parametrize("word", ["itleword", "titlewords", "titleword missing", "titlwrd"])
def test_what_is_not_there_finds_nothing(word: str, described: Post, stranger: User) -> None:
    assert titles(stranger, word) == []


@pytest.mark.parametrize("words", ["", "   ", "!!!", "& | ! ( ) : * < > '", "—“”…", "\n\t", "_"])
def test_no_word_finds_nothing(words: str, described: Post, stranger: User) -> None:
    assert titles(stranger, words) == []


@pytest.mark.parametrize(
    "words",
    [
        "titleword & | !",
        "titleword:*",
        "(titleword",
        "!titleword",
        "titleword <-> ",
        "'titleword'",
        '"titleword" -- ',
        "%titleword%",
        "\\titleword\\",
        "titleword\\:*",
    ],
)
def test_operators_are_only_punctuation(words: str, described: Post, stranger: User) -> None:
    assert titles(stranger, words) == ["Titleword"]


@examples(60)
@given(words=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_can_be_searched_for(words: str, db: None) -> None:
    list(filter_by_words(Post.objects.visible_to(None), words))


def test_a_very_long_query_is_cut(described: Post, stranger: User) -> None:
    assert titles(stranger, "titleword " * 10_000) == ["Titleword"]


@pytest.mark.parametrize("words", ["đà nẵng", "ĐÀ", "nẵng đà", "biển", "mùa hè", "trời", "sóng"])
def test_vietnamese_is_found_in_any_case_and_between_any_marks(
    words: str, vector_post: NewPost, stranger: User
) -> None:
    vector_post(None, title="ĐÀ NẴNG", description="“Biển”—trời…và sóng", tags=["Mùa Hè"])
    assert titles(stranger, words) == ["ĐÀ NẴNG"]


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_composed_and_decomposed_accents_are_the_same(
    stored: Any, typed: Any, vector_post: NewPost, stranger: User
) -> None:
    """macOS decomposes accents in file names, and so in titles made from them."""
    title = unicodedata.normalize(stored, "Huế về đêm")
    vector_post(None, title=title)
    assert titles(stranger, unicodedata.normalize(typed, "huế đêm")) == [title]


def test_more_places_are_a_better_match_and_the_newest_break_a_tie(
    vector_post: NewPost, stranger: User
) -> None:
    vector_post(None, title="sea one")
    vector_post(None, title="sea two")
    vector_post(None, title="sea sea sea", description="the sea, the sea")
    assert titles(stranger, "sea") == ["sea sea sea", "sea two", "sea one"]


def test_a_post_with_many_images_is_found_once(vector_post: NewPost, stranger: User) -> None:
    post = vector_post(None, None, None, title="album")
    post.images.update(ai_caption="a red boat")
    assert titles(stranger, "boat") == ["album"]


@each_member
def test_only_what_the_viewer_may_see_is_found(
    viewer: User, seen: set[str], vector_post: NewPost
) -> None:
    for visibility in VISIBILITIES:
        vector_post(None, title=visibility, description="boat", visibility=visibility)
    assert set(titles(viewer, "boat")) == seen
