"""Properties of search, whatever is posted, hidden, deleted or searched for: pages neither repeat
nor skip, and nobody finds what they may not see, by any input and under any filter."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from accounts.models import Category, Follow, User
from ai import services as ai
from media.appearance import COLORS
from posts.models import Post, PostImage
from search import services
from search.autocomplete import suggest
from search.query import Filters, Query, parse_query
from tests.properties import examples
from tests.search.conftest import at_cosine, pointing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("openai_scale", "embedded")]


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    def embed(text: str) -> list[float]:
        return at_cosine(0.0, axis=2) if text == "car" else pointing(1)

    monkeypatch.setattr(ai, "embed_text", embed)
    monkeypatch.setattr(ai, "describe_image", lambda _: (pointing(1), "a red boat by a lake"))


@pytest.fixture
def cast(owner: User, friend: User, follower: User, stranger: User) -> list[Any]:
    return [owner, friend, follower, stranger, AnonymousUser()]


def rolled_back(stack: ExitStack) -> None:
    """Roll back everything that an example writes."""
    stack.enter_context(transaction.atomic())
    stack.callback(transaction.set_rollback, True)


def new_post(author: User, cosine: float, **fields: Any) -> Post:
    post = Post.objects.create(user=author, **{"title": "boat", **fields})
    PostImage.objects.create(
        post=post,
        image_url="https://images.example/a.jpg",
        embedding=at_cosine(cosine),
        embedding_model=ai.clip_name(),
        colors=[COLORS[0]],
        width=400,
        height=300,
        ai_caption="a red boat",
    )
    return post


# --- Pages --------------------------------------------------------------------------------------

CHANGES = st.lists(st.tuples(st.sampled_from(["insert", "delete", "hide"]), st.integers(0, 50)))


@examples(12)
@given(
    count=st.integers(0, 14),
    limit=st.integers(1, 5),
    changes=st.lists(CHANGES, max_size=6),
    text=st.sampled_from(["boat", "unsaid", "boat -car", ""]),
    sort=st.sampled_from(["relevance", "date"]),
)
def test_no_page_repeats_or_skips_whatever_changes_meanwhile(
    count: int,
    limit: int,
    changes: list[list[tuple[str, int]]],
    text: str,
    sort: Any,
    owner: User,
    stranger: User,
) -> None:
    with ExitStack() as stack:
        rolled_back(stack)
        first = [new_post(owner, 0.25 + 0.005 * number) for number in range(count)]
        gone: set[Any] = set()
        query = parse_query(text, filters=Filters(visibility="public"), sort=sort)
        page = services.search(stranger, query, limit=limit)
        seen = [match.post.pk for match in page.matches]
        turned = 0
        while page.cursor:
            for kind, number in changes[turned] if turned < len(changes) else []:
                if kind == "insert" or not first:
                    new_post(owner, 0.2 + 0.003 * number)
                    continue
                target = first[number % len(first)].pk
                if target in seen:
                    continue
                gone.add(target)
                if kind == "delete":
                    Post.objects.filter(pk=target).delete()
                else:
                    Post.objects.filter(pk=target).update(visibility="private")
            page = services.next_page(stranger, page.cursor, limit=limit)
            seen += [match.post.pk for match in page.matches]
            turned += 1
        assert len(seen) == len(set(seen))
        assert set(seen) == {post.pk for post in first} - gone


# --- Who sees what ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    text: str
    by_picture: bool
    by_post: bool
    excluded: str
    filters: Filters
    sort: Any


FILTERS = st.builds(
    Filters,
    tags=st.sampled_from([(), ("sea",)]),
    visibility=st.sampled_from(["", "public", "friends", "private"]),
    followed=st.booleans(),
    color=st.sampled_from(["", COLORS[0]]),
    orientation=st.sampled_from(["", "landscape"]),
)
ASKED = st.builds(
    Asked,
    text=st.sampled_from(["", "boat", "unsaid", '"red boat"', "boat secret", "bo"]),
    by_picture=st.booleans(),
    by_post=st.booleans(),
    excluded=st.sampled_from(["", "car"]),
    filters=FILTERS,
    sort=st.sampled_from(["relevance", "date"]),
)


@examples(12)
@given(asked=ASKED, visibilities=st.lists(st.sampled_from(["public", "friends", "private"])))
def test_nobody_finds_what_they_may_not_see(
    asked: Asked, visibilities: list[str], cast: list[Any], owner: User
) -> None:
    with ExitStack() as stack:
        rolled_back(stack)
        for number, visibility in enumerate(visibilities):
            new_post(
                owner,
                0.3 + 0.01 * number,
                title=f"boat secret{number}",
                visibility=visibility,
                tags=["sea", f"secret{number}"],
            )
        source = new_post(owner, 1.0, title="source")
        for viewer in cast:
            visible = set(Post.objects.visible_to(viewer).values_list("pk", flat=True))
            titles = set(Post.objects.visible_to(viewer).values_list("title", flat=True))
            query = parse_query(
                asked.text,
                negative=asked.excluded,
                image=Image.new("RGB", (8, 8)) if asked.by_picture else None,
                post_id=source.pk if asked.by_post else None,
                filters=asked.filters,
                sort=asked.sort,
            )
            if not query.is_empty:
                assert found_by(viewer, query) <= visible
            for typed in ("secret", "bo", "sea"):
                suggested = {one.text for one in suggest(viewer, typed) if one.kind == "title"}
                assert suggested <= titles


def found_by(viewer: Any, query: Query) -> set[Any]:
    page = services.search(viewer, query, limit=2, min_score=0.0)
    found = {match.post.pk for match in page.matches}
    while page.cursor:
        page = services.next_page(viewer, page.cursor, limit=2)
        found |= {match.post.pk for match in page.matches}
    return found


def test_a_filter_gives_away_nothing_about_hidden_posts(
    owner: User, stranger: User, member: Callable[..., User]
) -> None:
    """Reveal neither how many there are nor that there are any."""
    food = Category.objects.get(slug="food")
    Follow.objects.create(follower=stranger, following=owner)
    for visibility in ("private", "friends"):
        new_post(owner, 0.34, visibility=visibility, category=food, tags=["sea"])
    for filters in (
        Filters(category=food.pk),
        Filters(author=owner.pk),
        Filters(followed=True),
        Filters(tags=("sea",)),
        Filters(visibility="private"),
        Filters(color=COLORS[0]),
    ):
        for text in ("", "boat"):
            page = services.search(stranger, parse_query(text, filters=filters), limit=5)
            assert (page.matches, page.total, page.cursor) == ([], 0, None)
