"""Saved and liked posts, and the feed of one category."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Category, User
from posts.models import Like, Post, SavedPost
from posts.pages import grids
from posts.visibility import Visibility
from tests.posts.rows import make_post

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
LISTS = pytest.mark.parametrize(("url", "model"), [("/saved", SavedPost), ("/liked", Like)])


def titles(text: str) -> list[str]:
    return re.findall(r'card-title">([^<]*)<', text)


@LISTS
def test_the_newest_choice_comes_first_and_only_ones_own(
    client: Client, owner: User, stranger: User, url: str, model: Any
) -> None:
    posts = [make_post(owner, title=title) for title in ("One", "Two", "Three")]
    for post in (posts[2], posts[0]):
        model.objects.create(user=stranger, post=post)
    model.objects.create(user=owner, post=posts[1])
    client.force_login(stranger)
    assert titles(client.get(url).text) == ["One", "Three"]
    Post.objects.filter(pk=posts[0].pk).update(visibility=Visibility.PRIVATE)
    assert titles(client.get(url).text) == ["Three"]


@LISTS
def test_a_list_goes_on_as_one_scrolls(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch, url: str, model: Any
) -> None:
    monkeypatch.setattr(grids, "PAGE_SIZE", 2)
    for number in range(5):
        model.objects.create(user=owner, post=make_post(owner, title=str(number)))
    client.force_login(owner)
    text, seen = client.get(url).text, []
    while older := re.search(r'class="older" hx-get="([^"]+)"', text):
        seen += titles(text)
        text = client.get(f"{url}{older[1]}", headers=HTMX).text
        assert "<html" not in text
    assert seen + titles(text) == ["4", "3", "2", "1", "0"]


@LISTS
def test_a_list_needs_a_login_and_a_constant_number_of_queries(
    client: Client, owner: User, url: str, model: Any
) -> None:
    assert client.get(url).headers["Location"] == f"/login?next={url}"
    client.force_login(owner)
    counts = []
    for number in (3, 9):
        for _ in range(number):
            model.objects.create(user=owner, post=make_post(owner, images=2))
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_feed_of_a_category_keeps_it_as_one_scrolls(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grids, "PAGE_SIZE", 1)
    travel = Category.objects.get(slug="travel")
    make_post(owner, title="First", category=travel)
    make_post(owner, title="Second", category=travel, age=1)
    make_post(owner, title="Other", age=2)
    make_post(owner, title="Hidden", category=travel, visibility=Visibility.PRIVATE)
    text = client.get("/", {"category": "travel"}).text
    assert titles(text) == ["First"]
    assert 'href="/?category=travel" aria-current="page"' in text
    older = re.search(r'class="older" hx-get="([^"]+)"', text)
    assert older is not None
    rest = client.get("/" + older[1].replace("&amp;", "&"), headers=HTMX).text
    assert titles(rest) == ["Second"]
    assert "older" not in rest
    assert client.get("/", {"category": "nonsense"}).status_code == 404
