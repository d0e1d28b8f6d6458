"""Suggestions while a query is typed: only visible ones, ignoring case and diacritics."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import Category, User
from posts.models import Post
from search.autocomplete import MAX_SUGGESTIONS, suggest
from tests.properties import examples
from tests.visibility import VISIBILITIES, each_member

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
NewPost = Callable[..., Post]


def texts(viewer: Any, typed: str) -> list[str]:
    return [suggestion.text for suggestion in suggest(viewer, typed)]


@pytest.mark.parametrize("typed", ["ph", "Phố", "pho c", "co", "CỔ", "phố cổ hoi"])
def test_titles_are_suggested_with_or_without_marks(
    typed: str, vector_post: NewPost, stranger: User
) -> None:
    vector_post(None, title="Phố cổ Hội An")
    vector_post(None, title="Biển")
    assert "Phố cổ Hội An" in texts(stranger, typed)
    assert "Biển" not in texts(stranger, typed)


def test_tags_and_categories_are_suggested_and_say_what_they_are(
    vector_post: NewPost, stranger: User
) -> None:
    Category.objects.create(name="Xuân", slug="spring", prompt="spring")
    vector_post(None, title="Xuân về", tags=["xuân hè"])
    found = [(one.kind, one.text) for one in suggest(stranger, "xuân")]
    assert found == [("category", "Xuân"), ("tag", "xuân hè"), ("title", "Xuân về")]


def test_what_many_posts_say_comes_first_and_once(vector_post: NewPost, stranger: User) -> None:
    for tags in (["zebra one"], ["zebra two"], ["zebra two"], ["Zebra Two"]):
        vector_post(None, tags=tags)
    found = texts(stranger, "zeb")
    assert found[0] == "zebra two"
    assert len({text.lower() for text in found}) == len(found)


@pytest.mark.parametrize("typed", ["", "  ", "!!", "-", "zzzz", "\u0301"])
def test_nothing_is_suggested_for_nothing(typed: str, stranger: User) -> None:
    assert texts(stranger, typed) == []


def test_spellings_of_a_tag_are_counted_together_and_shown_as_first_written(
    vector_post: NewPost, stranger: User
) -> None:
    for tag in ("Zebra Two", "zebra one", "zebra one", "ZEBRA TWO", "zebra two"):
        vector_post(None, tags=[tag])
    assert texts(stranger, "zebra") == ["Zebra Two", "zebra one"]


@pytest.mark.parametrize(
    ("title", "typed"),
    [
        ("東京タワーの夜景", "タワ"),
        ("กรุงเทพมหานคร", "เท"),
        ("București", "bucur"),
        ("żaba", "ŻAB"),
        ("한국어", "한구"),
        ("mèo 🐱", "🐱"),
        ("mèo 🐱", "meo 🐱"),
        ("Straße", "strass"),
    ],
)
def test_titles_of_any_script_are_suggested(
    title: str, typed: str, vector_post: NewPost, stranger: User
) -> None:
    vector_post(None, title=title)
    vector_post(None, title="other")
    assert texts(stranger, typed) == [title]


def test_there_are_not_too_many(vector_post: NewPost, stranger: User) -> None:
    for number in range(2 * MAX_SUGGESTIONS):
        vector_post(None, title=f"zebra {number}")
    assert len(texts(stranger, "ze")) == MAX_SUGGESTIONS


@examples(40)
@given(typed=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_may_be_typed(typed: str, db: None) -> None:
    assert len(suggest(None, typed)) <= MAX_SUGGESTIONS


@each_member
def test_no_hidden_title_or_tag_is_suggested(
    viewer: User, seen: set[str], vector_post: NewPost
) -> None:
    for visibility in VISIBILITIES:
        vector_post(None, title=f"zebra {visibility}", visibility=visibility)
        vector_post(None, tags=[f"zebra {visibility}"], visibility=visibility)
    assert set(texts(viewer, "zebra")) == {f"zebra {visibility}" for visibility in seen}


def test_a_rare_word_is_found_behind_the_newest(
    vector_post: NewPost, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.autocomplete.NEWEST_POSTS", 3)
    vector_post(None, title="Zebra")
    for _ in range(5):
        vector_post(None, title="newer")
    assert texts(stranger, "zebr") == ["Zebra"]


def test_programs_and_the_page_get_the_same(
    api: Api, stranger: User, vector_post: NewPost, client: Client
) -> None:
    vector_post(None, title="Zebra <b>", tags=["zebras"])
    data = api(stranger).get("/api/search/suggestions?q=zeb").json()["data"]
    assert data == [{"text": "zebras", "kind": "tag"}, {"text": "Zebra <b>", "kind": "title"}]
    options = client.get("/search/suggestions?q=zeb").text
    assert 'role="option"' in options
    assert "Zebra &lt;b&gt;" in options
