"""GET and POST /api/search: any mix of inputs under filters, page by page."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import Category, Follow, User
from ai import services as ai
from posts.models import Post
from search import result_store
from smimso.errors import Unavailable
from smimso.redis import redis_client
from tests.properties import examples
from tests.search.conftest import at_cosine, pointing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("openai_scale")]
Api = Callable[..., APIClient]
NewPost = Callable[..., Post]
RESULT_KEYS = {
    *("post_id", "image_id", "image_url", "similarity_score", "search_method", "post"),
    "matched_words",
}


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """Embed every text as `pointing(1)`, except those in the returned dictionary."""
    known: dict[str, list[float]] = {}
    monkeypatch.setattr(ai, "embed_text", lambda text: known.get(text, pointing(1)))
    monkeypatch.setattr(ai, "describe_image", lambda _: (pointing(1), "a red boat by a lake"))
    return known


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ai.heartbeat.live_workers", lambda: [])


@pytest.fixture
def new(vector_post: NewPost) -> NewPost:
    """`new(0.3, title=…)`: a public post whose image has this cosine to the vector of texts."""

    def make(cosine: float | None = 0.3, **fields: Any) -> Post:
        picture = {name: fields.pop(name) for name in PICTURE if name in fields}
        moment = fields.pop("created_at", None)
        vector = None if cosine is None else at_cosine(cosine)
        post = vector_post(vector, model=ai.clip_name(), **fields)
        post.images.update(**picture)
        if moment:
            Post.objects.filter(pk=post.pk).update(created_at=moment)
        return post

    return make


PICTURE = ("ai_caption", "colors", "width", "height", "checksum", "perceptual_hash")


def search(client: APIClient, **params: Any) -> dict[str, Any]:
    response = client.get(f"/api/search?{urlencode(params, doseq=True)}")
    assert response.status_code == 200, response.content
    return response.json()["data"]


def titles(found: dict[str, Any]) -> list[str]:
    return [result["post"]["title"] for result in found["results"]]


# --- Results and reasons ------------------------------------------------------------------------


def test_each_result_says_why_it_is_there(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    new(0.33, title="both", tags=["Thuyền"])
    new(0.32, title="meaning")
    new(0.0, title="words", description="thuyen")
    new(0.0, title="neither")
    found = search(api(stranger), q="thuyền")
    assert found.keys() == {
        *("results", "count", "total", "next_cursor", "query_type", "ai_available"),
        "generated_caption",
    }
    assert (found["count"], found["total"], found["next_cursor"]) == (3, 3, None)
    assert (found["query_type"], found["ai_available"]) == ("text", True)
    reasons = {
        result["post"]["title"]: (result["search_method"], result["matched_words"])
        for result in found["results"]
    }
    assert reasons == {
        "both": ("hybrid", ["thuyền"]),
        "meaning": ("embedding", []),
        "words": ("caption", ["thuyền"]),
    }
    assert titles(found)[0] == "both"
    assert all(result.keys() == RESULT_KEYS for result in found["results"])


def test_posts_with_all_words_come_before_those_with_some(
    api: Api, stranger: User, new: NewPost, away: None
) -> None:
    new(None, title="one", description="red")
    new(None, title="two", description="red boat")
    new(None, title="none", description="sea")
    found = search(api(stranger), q="red boat")
    assert titles(found) == ["two", "one"]
    assert found["ai_available"] is False
    first, second = (result["similarity_score"] for result in found["results"])
    assert first == 0.5 > second >= 0.3


def test_a_quoted_phrase_must_be_there(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    new(0.34, title="apart", description="boat that is red")
    new(0.2, title="together", description="a red boat")
    assert titles(search(api(stranger), q='"red boat"')) == ["together"]


def test_posts_excluded_by_word_or_by_look_are_missing(
    api: Api, stranger: User, new: NewPost, vector_post: NewPost, embedded: Any
) -> None:
    embedded["people"] = at_cosine(0.0, axis=2)
    new(0.33, title="empty beach")
    new(0.33, title="busy", description="with People")
    crowded = [0.33, 0, 0.9]
    vector_post(pointing(*crowded), model=ai.clip_name(), title="crowded")
    assert set(titles(search(api(stranger), q="beach"))) == {
        "empty beach",
        "busy",
        "crowded",
    }
    assert titles(search(api(stranger), q="beach -people")) == ["empty beach"]
    assert titles(search(api(stranger), q="beach", negative="people")) == ["empty beach"]
    assert titles(search(api(stranger), q="-people")) == ["empty beach"]


def test_a_post_is_a_query_that_words_may_change(
    api: Api, stranger: User, new: NewPost, vector_post: NewPost, embedded: Any
) -> None:
    source = new(1.0, title="source", ai_caption="a red boat by a lake")
    embedded["blue boat"] = at_cosine(0.0, axis=2)
    new(0.95, title="alike")
    vector_post(at_cosine(0.3, axis=2), model=ai.clip_name(), title="blue")
    found = search(api(stranger), post=source.pk)
    assert (titles(found)[0], found["query_type"]) == ("alike", "post")
    changed = search(api(stranger), post=source.pk, q="blue")
    assert (titles(changed), changed["query_type"]) == (["blue"], "mixed")


def test_a_picture_is_a_query(
    api: Api, stranger: User, new: NewPost, embedded: Any, picture: Callable[..., bytes]
) -> None:
    new(0.95, title="alike", colors=["red"])
    new(0.94, title="green", colors=["green"])
    upload = SimpleUploadedFile("a.jpg", picture(), "image/jpeg")
    response = api(stranger).post(
        "/api/search", {"image": upload, "color": "red"}, format="multipart"
    )
    found = response.json()["data"]
    assert (titles(found), found["query_type"]) == (["alike"], "image")
    assert found["generated_caption"] == "a red boat by a lake"


def test_without_ai_a_picture_alone_is_unavailable_and_its_words_are_searched(
    api: Api, stranger: User, new: NewPost, away: None, picture: Callable[..., bytes]
) -> None:
    new(0.95, title="boat")
    for fields, status in (({}, 503), ({"q": "boat"}, 200)):
        upload = SimpleUploadedFile("a.jpg", picture(), "image/jpeg")
        response = api(stranger).post(
            "/api/search", {"image": upload, **fields}, format="multipart"
        )
        assert response.status_code == status
    assert titles(response.json()["data"]) == ["boat"]
    assert response.json()["data"]["ai_available"] is False


def test_a_post_is_compared_without_ai(api: Api, stranger: User, new: NewPost, away: None) -> None:
    source = new(1.0, title="source")
    new(0.95, title="alike")
    assert titles(search(api(stranger), post=source.pk)) == ["alike"]


def test_scores_never_rise_within_a_method(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    for number in range(30):
        new(0.2 + 0.005 * number, title=f"{number}", description="boat" * (number % 3 == 0))
    results = search(api(stranger), q="boat", limit=100)["results"]
    for method in ("hybrid", "embedding", "caption"):
        scores = [r["similarity_score"] for r in results if r["search_method"] == method]
        assert scores == sorted(scores, reverse=True)


def test_copies_of_a_picture_are_shown_once(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    new(0.34, title="first", checksum="a", perceptual_hash=0b1111)
    new(0.33, title="same file", checksum="a")
    new(0.32, title="nearly the same", checksum="b", perceptual_hash=0b1110)
    new(0.31, title="another", checksum="c", perceptual_hash=-1)
    assert titles(search(api(stranger), q="x y")) == ["first", "another"]


def test_the_oldest_of_equal_copies_is_shown(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    new(0.34, title="another", checksum="b")
    for title, cosine in (("first", 0.3299), ("second", 0.3301), ("third", 0.33)):
        new(cosine, title=title, checksum="a")  # another batch size changes the last digits
    assert titles(search(api(stranger), q="red boat")) == ["another", "first"]


def test_the_copy_with_the_keywords_is_shown(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    new(0.3301, title="first", checksum="a")
    new(0.33, title="red boat", checksum="a")
    new(0.3302, title="third", checksum="a")
    assert titles(search(api(stranger), q="red boat")) == ["red boat"]


@pytest.mark.parametrize(("axis", "shown"), [(1, ["first"]), (2, ["first", "second"])])
def test_vectors_decide_about_copies_that_hashes_leave_in_doubt(
    axis: int, shown: list[str], api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    new(0.34, title="first", perceptual_hash=0)
    second = new(title="second", perceptual_hash=0x3FF)
    second.images.update(embedding=at_cosine(0.33, axis))
    assert titles(search(api(stranger), q="red boat")) == shown


def test_vector_hits_list_their_keywords_however_many_posts_have_them(
    api: Api, stranger: User, new: NewPost, embedded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.retrieval.MAX_CANDIDATES", 5)
    for number in range(6):
        new(None, title=f"zebra {number}")
    new(0.33, title="near", description="A zebra")
    first = search(api(stranger), q="zebra")["results"][0]
    assert (first["post"]["title"], first["search_method"]) == ("near", "hybrid")
    assert first["matched_words"] == ["zebra"]


def test_copies_that_pass_a_filter_are_shown_once(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    new(title="older copy", colors=["blue"], checksum="a", perceptual_hash=0b1111)
    new(title="other", colors=["blue"], checksum="b", perceptual_hash=-1)
    new(title="newest copy", colors=["blue"], checksum="c", perceptual_hash=0b1110)
    found = search(api(stranger), color="blue")
    assert titles(found) == ["newest copy", "other"]
    assert found["total"] == 2


# --- Filters ------------------------------------------------------------------------------------


@pytest.fixture
def filtered(new: NewPost, owner: User, member: Callable[..., User], stranger: User) -> User:
    """Create posts of which each filter leaves one; return the author whom the stranger follows."""
    other = member("Other")
    Follow.objects.create(follower=stranger, following=other)
    food = Category.objects.get(slug="food")
    early = datetime(2020, 5, 1, 12, tzinfo=UTC)
    new(title="in category", category=food)
    new(title="by other", author=other)
    new(title="tagged", tags=["Mùa Hè", "sea"])
    new(title="only one word of it", tags=["mùa"])
    new(title="early", created_at=early)
    new(title="blue", colors=["blue", "white"])
    new(title="tall", width=300, height=400)
    new(title="wide", width=400, height=300)
    new(title="even", width=400, height=390)
    new(title="own", author=stranger, visibility="private")
    return other


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"category": "food"}, ["in category"]),
        ({"author": "other"}, ["by other"]),
        ({"followed": "true"}, ["by other"]),
        ({"tags": "mua he"}, ["tagged"]),
        ({"tags": "sea,mùa hè"}, ["tagged"]),
        ({"tags": "mu\u0300a he\u0300"}, ["tagged"]),  # decomposed, as on macOS
        ({"tags": ":"}, []),
        ({"tags": "sea,!"}, []),
        ({"since": "2020-05-01", "until": "2020-05-01"}, ["early"]),
        ({"until": "2020-04-30"}, []),
        ({"color": "blue"}, ["blue"]),
        ({"orientation": "portrait"}, ["tall"]),
        ({"orientation": "landscape"}, ["wide"]),
        ({"orientation": "square"}, ["even"]),
        ({"visibility": "private"}, ["own"]),
        ({"color": "blue", "orientation": "square"}, []),
    ],
)
@pytest.mark.parametrize("q", ["", "x y"])
def test_filters_hold_with_and_without_a_query(
    filters: dict[str, str],
    found: list[str],
    q: str,
    filtered: User,
    api: Api,
    stranger: User,
    embedded: Any,
) -> None:
    asked = {name: str(filtered.pk) if name == "author" else v for name, v in filters.items()}
    assert titles(search(api(stranger), q=q, **asked)) == found


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
SIGNS = st.text(st.sampled_from("ab -:*&|!()<>'\"\\_İʼ\u0307"), max_size=8)


@examples(60)
@given(q=TEXT | SIGNS, negative=TEXT | SIGNS, tags=TEXT | SIGNS)
def test_any_text_can_be_asked_for(
    q: str, negative: str, tags: str, api: Api, stranger: User, away: None
) -> None:
    client = api(stranger)
    for asked in ({"q": q, "negative": negative, "tags": tags}, {"tags": tags}):
        assert client.get(f"/api/search?{urlencode(asked)}").status_code in (200, 400)
    assert client.get(f"/api/search/suggestions?{urlencode({'q': q})}").status_code == 200


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Trần Linh", ["by Linh"]),
        ("linh tran", ["by Linh"]),
        ("tr", ["by Linh"]),
        ("tr linh", []),
        ("Food", ["by Food"]),
        ("linh nguyen", []),
        ("?!", []),
        (str(UUID(int=0)), []),
    ],
)
@pytest.mark.parametrize("q", ["", "x y"])
def test_an_author_is_found_by_name(
    name: str,
    found: list[str],
    q: str,
    api: Api,
    stranger: User,
    new: NewPost,
    member: Callable[..., User],
    embedded: Any,
) -> None:
    """The last word may be incomplete. Texts and categories with that name do not count."""
    new(title="by Linh", author=member("Linh", last_name="Trần"))
    new(title="by Food", author=member("Food"))
    new(title="Linh Tran", description="Linh", category=Category.objects.get(slug="food"))
    assert titles(search(api(stranger), q=q, author=name)) == found


@pytest.mark.parametrize("tags", ["🐱", "#🐱", "SEA, 🐱", "#sea"])
def test_a_tag_is_an_emoji_or_has_a_hash(
    tags: str, api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    new(title="sea", tags=["sea", "🐱"])
    new(title="dog", tags=["🐶"])
    assert titles(search(api(stranger), tags=tags)) == ["sea"]


@pytest.mark.parametrize("tags", ["?!", "🐶", "sea, ?!"])
def test_a_tag_without_letters_is_on_no_post(
    tags: str, api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    new(title="sea", tags=["sea", "🐱"])
    assert titles(search(api(stranger), q="sea", tags=tags)) == []


def test_by_date_the_relevant_ones_come_newest_first(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    for cosine, title in ((0.34, "old"), (0.31, "middle"), (0.0, "not meant"), (0.3, "new")):
        new(cosine, title=title)
    assert titles(search(api(stranger), q="x", sort="date")) == ["new", "middle", "old"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"q": "  "},
        {"q": "-"},
        {"category": "no-such"},
        {"color": "plaid"},
        {"orientation": "round"},
        {"since": "yesterday"},
        {"sort": "price"},
        {"visibility": "secret"},
        {"cursor": "abc"},
        {"q": "a\0b"},
    ],
)
def test_invalid_parameters_are_refused(params: dict[str, str], api: Api, stranger: User) -> None:
    response = api(stranger).get("/api/search", params)
    assert response.status_code == 400
    assert response.json()["error"]


def test_it_needs_a_token(api: Api) -> None:
    assert api().get("/api/search?q=boat").status_code == 401
    assert api().get("/api/search/suggestions?q=boat").status_code == 401


@pytest.mark.parametrize("visibility", ["private", "friends"])
def test_a_strangers_post_is_no_query(
    visibility: str, api: Api, stranger: User, new: NewPost
) -> None:
    hidden = new(1.0, visibility=visibility)
    for pk in (hidden.pk, uuid4()):
        assert api(stranger).get(f"/api/search?post={pk}").status_code == 404


# --- Pages --------------------------------------------------------------------------------------


def pages(client: APIClient, **params: Any) -> list[list[str]]:
    found = search(client, **params)
    turned = [titles(found)]
    while found["next_cursor"]:
        found = search(client, cursor=found["next_cursor"], limit=params["limit"])
        turned.append(titles(found))
    return turned


def test_pages_are_cut_from_one_list_whatever_is_posted_meanwhile(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    made = [new(0.34 - 0.003 * number, title=str(number)) for number in range(9)]
    first = search(api(stranger), q="x y", limit=4)
    new(0.4, title="better, but too late")
    made[2].delete()
    made[5].delete()
    Post.objects.filter(pk=made[6].pk).update(visibility="private")
    second = search(api(stranger), cursor=first["next_cursor"], limit=4)
    assert titles(first) == ["0", "1", "2", "3"]
    assert titles(second) == ["4", "7", "8"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("redis", ["there", "away"])
def test_no_page_repeats_or_skips(
    redis: str,
    api: Api,
    stranger: User,
    new: NewPost,
    embedded: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if redis == "away":
        monkeypatch.setattr(result_store, "store", lambda results: results)
    for number in range(10):
        new(0.34 - 0.003 * number, title=str(number))
    turned = pages(api(stranger), q="x y", limit=4)
    assert list(chain(*turned)) == [str(number) for number in range(10)]
    assert [len(page) for page in turned] == [4, 4, 2]


def test_a_cursor_works_for_its_viewer_only(
    api: Api, stranger: User, owner: User, new: NewPost, embedded: Any
) -> None:
    for _ in range(3):
        new(visibility="private")
    cursor = search(api(owner), q="x", limit=1)["next_cursor"]
    response = api(stranger).get("/api/search", {"cursor": cursor})
    assert response.status_code == 400
    assert response.json()["error"] == "The cursor is not valid"


def test_an_old_cursor_says_that_it_has_expired(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    for _ in range(3):
        new()
    cursor = search(api(stranger), q="x", limit=1)["next_cursor"]
    for key in redis_client().scan_iter("smimso:search:*"):
        redis_client().delete(key)
    response = api(stranger).get("/api/search", {"cursor": cursor})
    assert response.status_code == 400
    assert response.json()["error"] == "The search has expired. Please search again."


def test_without_redis_the_cursor_carries_the_list(
    api: Api, stranger: User, new: NewPost, redis_away: None
) -> None:
    for number in range(5):
        new(None, title=f"boat {number}")
    turned = pages(api(stranger), q="boat", limit=2)
    assert sorted(chain(*turned)) == [f"boat {number}" for number in range(5)]


def test_a_text_that_cannot_be_embedded_is_searched_by_words(
    api: Api, stranger: User, new: NewPost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(_: str) -> None:
        raise Unavailable

    monkeypatch.setattr(ai, "embed_text", unavailable)
    new(None, title="boat")
    found = search(api(stranger), q="boat -car")
    assert (titles(found), found["ai_available"]) == (["boat"], False)


def test_a_post_with_one_word_of_many_is_not_lifted_by_one_below(
    api: Api, stranger: User, new: NewPost, embedded: Any
) -> None:
    embedded["red boat"] = at_cosine(0.0, axis=2)
    for number in range(8):
        new(0.1, title=f"red {number}")
    new(0.0, title="boat")
    assert titles(search(api(stranger), q="red boat")) == ["boat"]
