"""The first steps of a new member, page by page, with the requests that the frontend sends."""

import io
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from django.conf import settings
from django.utils import timezone

from ai.demo_models.drawing import draw_scene
from ai.demo_models.scenes import choose_demo_scenes
from posts.view_counter import flush_views
from tests.contract.frontend import Frontend, registration
from tests.notifications.web import web_process

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("worker_process"),  # one web server, although one test needs the worker
]
Visit = Callable[..., Frontend]


@pytest.fixture(scope="module")
def web_url(servers: Path, django_db_setup: None) -> Iterator[str]:
    with web_process("contract", servers) as url:
        yield url


# The variable ends in /api or not. With it the frontend uses both mounts, without it `/` alone.
both_variables = pytest.mark.parametrize("visit", ["/api", ""], indirect=True)


@pytest.fixture
def visit(request: pytest.FixtureRequest, web_url: str) -> Iterator[Visit]:
    """`visit()`: a logged-out visitor; `visit("Mai")`: one who has just registered."""
    mount = getattr(request, "param", "/api")

    with httpx.Client(timeout=300) as browser:

        def open_tab(first_name: str = "") -> Frontend:
            tab = Frontend(browser, f"{web_url}{mount}")
            if first_name:
                tab.register(first_name)
            return tab

        yield open_tab


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    """Three pictures in which the models see something."""
    found = []
    for scene in choose_demo_scenes(3):
        file = io.BytesIO()
        draw_scene(scene, 480).save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def images(*photos: bytes, field: str = "images") -> list[Any]:
    return [(field, (f"IMG_{n}.jpg", photo, "image/jpeg")) for n, photo in enumerate(photos)]


def new_post(tab: Frontend, *photos: bytes, **fields: str) -> str:
    """Through the form, which always sends a visibility; the id of the post."""
    form = {"visibility": "public", **fields}
    body = tab.main("POST", "/posts", 201, data=form, files=images(*photos))
    post_id: str = body["data"]["id"]
    return post_id


def card_of(posts: list[dict[str, Any]], post_id: str) -> dict[str, Any]:
    """Read the fields that a card shows; it is not drawn without a picture."""
    (found,) = [post for post in posts if post["id"] == post_id]
    assert found["image"]["image_url"]
    assert found["user"]["first_name"]
    return found


def open_page(tab: Frontend) -> None:
    """Send the requests that every page sends."""
    found = tab.data("/notifications?page=1&limit=50")
    assert isinstance(found["notifications"], list)
    assert isinstance(found["unreadCount"], int)


def home(tab: Frontend, query: str = "") -> list[dict[str, Any]]:
    open_page(tab)
    body = tab.main("GET", f"/posts?page=1&limit=20{query}")
    assert body["pagination"]["totalPages"] <= 1
    posts: list[dict[str, Any]] = body["data"]
    return posts


@both_variables
def test_register_answer_the_survey_and_land_on_home(visit: Visit) -> None:
    for first_name in ("Mai", "Nam"):  # twice: a blank phone is nobody's
        tab = visit()
        assert tab.data("/options/jobs")[0]["value"] == "student"
        tab.register(first_name)
        categories = tab.data("/survey/options")["categories"]
        answers = {
            "favorite_categories": [category["id"] for category in categories[:2]],
            "usage_purposes": ["find_inspiration", "other"],
            "awareness_source": "friends",
            "expectation_level": 5,
        }
        tab.main("POST", "/survey", 201, json=answers)
        assert home(tab) == []
        assert [found["name"] for found in tab.data("/options/categories")]
        assert tab.auth("GET", "/auth/me")["data"] == tab.user
    again = registration("Mai")
    taken = tab.auth("POST", "/auth/register", 400, json={**again, "email": "mai@example.test"})
    assert taken["error"] == "User with this email or phone already exists"


def test_post_three_pictures_and_find_them_by_category(visit: Visit, photos: list[bytes]) -> None:
    tab = visit("Mai")
    post_id = new_post(tab, *photos)
    card = card_of(home(tab), post_id)
    assert card["title"]
    shown = tab.file(card["image"]["image_url"])
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/jpeg")
    assert shown.headers["Access-Control-Allow-Origin"] == "*"
    food, travel = (
        next(found["id"] for found in tab.data("/options/categories") if found["slug"] == slug)
        for slug in ("food", "travel")
    )
    edited = {"title": "Three pictures", "category_id": food, "visibility": "public"}
    detail = tab.main("PUT", f"/posts/{post_id}", json=edited)["data"]
    assert (detail["title"], detail["isLiked"]) == ("Three pictures", False)
    assert [image["display_order"] for image in detail["images"]] == [0, 1, 2]
    assert card_of(home(tab, f"&categoryId={food}"), post_id)
    assert home(tab, f"&categoryId={travel}") == []
    assert tab.main("GET", f"/posts?page=1&limit=30&categoryId={food}")["pagination"]["total"] == 1


@both_variables
def test_the_modal_and_what_the_author_hears_of_it_live(visit: Visit, photos: list[bytes]) -> None:
    author, reader = visit("Mai"), visit("Nam")
    post_id = new_post(author, photos[0], title="Sunset")
    with author.notifications() as live:
        first = live.event()
        assert (first["type"], first["data"]["unreadCount"]) == ("initial_data", 0)
        assert live.event()["type"] == "connected"

        post = reader.data(f"/posts/{post_id}")
        assert reader.data(f"/posts/{post_id}/comments") == []
        assert isinstance(post["view_count"] + post["like_count"] + post["comment_count"], int)
        assert post["images"][0]["image_url"]
        assert post["user"]["id"] == author.user["id"]
        reader.main("GET", "/posts?category_id=&limit=12&page=1")

        reader.main("POST", f"/posts/{post_id}/like")
        assert hearts(reader, post_id) == {True}
        event = live.event()["data"]
        assert (event["type"], event["post_id"]) == ("like", post_id)
        assert event["content"] == 'Nam liked your post "Sunset"'

        comment = reader.main("POST", f"/posts/{post_id}/comments", 201, json={"content": "Red!"})
        assert comment["data"]["user"]["first_name"] == "Nam"
        assert live.event()["data"]["content"] == 'Nam commented on your post "Sunset"'

        reader.main("POST", f"/users/{author.user['id']}/follow")
        followed = live.event()
        assert followed["data"]["type"] == "follow"
        assert followed["data"]["content"] == "Nam started following you"
        assert followed["data"]["created_at"]

    reader.main("POST", f"/posts/{post_id}/like")  # from a list that showed no heart: no toggle
    assert hearts(reader, post_id) == {True}
    reader.main("DELETE", f"/posts/{post_id}/like")
    reader.main("DELETE", f"/posts/{post_id}/like")
    assert hearts(reader, post_id) == {False}
    assert reader.data(f"/posts/{post_id}")["like_count"] == 0
    drop_down = author.data("/notifications?page=1&limit=50")
    assert [found["type"] for found in drop_down["notifications"]] == ["follow", "comment"]
    author.main("PUT", f"/notifications/{drop_down['notifications'][0]['id']}/read")
    assert author.data("/notifications?page=1&limit=50")["unreadCount"] == 1
    author.main("PUT", "/notifications/read-all")
    assert author.data("/notifications?page=1&limit=50")["unreadCount"] == 0


def hearts(tab: Frontend, post_id: str) -> set[bool]:
    """Wherever the post is shown, after a reload."""
    author = tab.data(f"/posts/{post_id}")["user"]["id"]
    lists = [home(tab), tab.data(f"/users/{author}/posts"), tab.data("/posts?search=s&limit=50")]
    shown = [card_of(posts, post_id)["isLiked"] for posts in lists]
    return {*shown, tab.data(f"/posts/{post_id}")["isLiked"]}


def test_suggestions_and_both_searches_with_the_real_models(
    worker: None, visit: Visit, photos: list[bytes]
) -> None:
    tab = visit("Mai")
    assert eventually(lambda: all(tab.main("GET", "/health")["models_loaded"].values()))
    for photo in photos:  # one at a time here, in parallel there
        found = tab.main("POST", "/posts/generate-caption", files=images(photo, field="image"))
        assert found["data"]["caption"] not in ("", "Beautiful Image")
    suggested = tab.main("POST", "/posts/generate-metadata", files=images(photos[0]))["data"]
    assert suggested["caption"]
    assert suggested["description"]
    assert isinstance(suggested["tags"], list)
    known = {category["id"] for category in tab.data("/options/categories")}
    assert suggested.get("category_id", next(iter(known))) in known

    posts = [new_post(tab, photo) for photo in photos[:2]]
    posts.append(new_post(tab, photos[2], photos[0], title="Xin chào"))
    assert eventually(lambda: all(painted(tab, post_id) for post_id in posts))
    tab.main("POST", f"/posts/{posts[0]}/like")
    described = tab.data(f"/posts/{posts[0]}")
    assert described["caption"] == described["images"][0]["ai_caption"]
    assert described["title"].lower() == described["caption"].lower()

    by_words = tab.main("GET", "/posts?search=xin%20chao&limit=50")["data"]
    assert [post["id"] for post in by_words] == [posts[2]]
    text = tab.main(
        "POST", "/search/text?limit=50&minSimilarity=0.3", json={"query": described["caption"]}
    )["data"]
    assert text["query"] == described["caption"]
    assert posts[0] in drawn(text)
    picture = tab.main(
        *("POST", "/search/image?limit=50&minSimilarity=0.25"),
        files=images(photos[1], field="image"),
    )["data"]
    assert picture["generated_caption"]
    assert drawn(picture)[0] == posts[1]
    assert picture["results"][0]["similarity_score"] > 0.95
    for found in (text, picture):
        liked = {result["post"]["id"]: result["post"]["isLiked"] for result in found["results"]}
        assert not [post_id for post_id in liked if liked[post_id] != (post_id == posts[0])]


def painted(tab: Frontend, post_id: str) -> bool:
    return all(image["ai_status"] == "done" for image in tab.data(f"/posts/{post_id}")["images"])


def drawn(found: dict[str, Any]) -> list[str]:
    """The cards of a search, best first: one a post, each with a picture and its match in %."""
    scores = [result["similarity_score"] for result in found["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    cards = [
        {**result["post"], "image": {"id": result["image_id"], "image_url": result["image_url"]}}
        for result in found["results"]
    ]
    assert all(card["image"]["image_url"] and card["created_at"] for card in cards)
    ids = [card["id"] for card in cards]
    assert len(ids) == len(set(ids)) == found["count"]
    return ids


def eventually(condition: Callable[[], bool], seconds: float = 300) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def test_favorites_collection_and_profiles(visit: Visit, photos: list[bytes]) -> None:
    me, other = visit("Mai"), visit("Nam")
    mine, theirs = new_post(me, photos[0]), new_post(other, photos[1])
    hidden = new_post(other, photos[2], visibility="private")
    for path in ("/posts/liked", "/posts/saved", "/users/liked-posts", "/users/saved-posts"):
        assert me.data(path) == []
    me.main("POST", f"/posts/{theirs}/like")
    me.main("POST", f"/posts/{theirs}/save")
    for path in ("/posts/liked", "/posts/saved", "/users/liked-posts", "/users/saved-posts"):
        assert card_of(me.data(path), theirs)["isLiked"] is True
    assert [post["id"] for post in me.data("/users/profile/posts")] == [mine]

    their_id = other.user["id"]
    profile = me.data(f"/users/{their_id}")
    assert profile["isFollowing"] is False
    assert profile["statistics"]["postCount"] == 1
    assert profile["statistics"]["totalLikes"] == 1
    assert [post["id"] for post in me.data(f"/users/{their_id}/posts")] == [theirs]
    assert me.main("GET", f"/posts/{hidden}", 404)["error"] == "Post not found"
    me.main("POST", f"/users/{their_id}/follow")
    assert me.data(f"/users/{their_id}")["isFollowing"] is True
    modal = me.main("GET", f"/users/{their_id}/followers?page=1&limit=20")
    assert modal["pagination"]["totalPages"] == 1
    assert [found["id"] for found in modal["data"]] == [me.user["id"]]
    following = me.data(f"/users/{me.user['id']}/following?page=1&limit=20")
    assert [found["isFollowing"] for found in following] == [True]
    me.main("DELETE", f"/users/{their_id}/follow")
    assert me.data(f"/users/{me.user['id']}/following?page=1&limit=20") == []


def test_edit_the_profile_with_blanks_and_new_pictures(visit: Visit, photos: list[bytes]) -> None:
    tab = visit("Mai")
    form = {"first_name": "Mai", "last_name": "Lê", "job": "artist", "bio": "Paints"}
    saved = tab.main("PUT", "/users/profile", json={**form, "phone": "", "date_of_birth": ""})
    user = saved["data"]  # from now on the session's
    assert (user["id"], user["email"]) == (tab.user["id"], "mai@example.test")
    assert (user["last_name"], user["phone"], user["date_of_birth"]) == ("Lê", None, None)
    for kind, number in (("avatar", 0), ("cover", 1)):
        tab.main("POST", f"/users/profile/{kind}", files=images(photos[number], field=kind))
        shown = tab.file(tab.data("/users/profile")[f"{kind}_url"])
        assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/webp")
    message = images(b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm" + bytes(64), field="file")
    sent = tab.main("POST", "/posts/upload", 200, files=message)
    assert tab.file(sent["data"]["url"]).status_code == 200


def test_the_leaderboard_and_following_twice(visit: Visit, photos: list[bytes]) -> None:
    author, reader = visit("Mai"), visit("Nam")
    post_id = new_post(author, photos[0])
    reader.data(f"/posts/{post_id}")
    flush_views()  # as the clock does it
    author_id = author.user["id"]
    viewed, active = (
        reader.data(f"/users/{name}?limit=50") for name in ("most-viewed", "most-active")
    )
    assert [(row["id"], row["totalViews"]) for row in viewed] == [(author_id, 1)]
    assert [(row["id"], row["totalPosts"]) for row in active] == [(author_id, 1)]
    posts = reader.data(f"/users/{author_id}/posts?limit=100")
    assert card_of(posts, post_id)["view_count"] == 1
    for _ in range(2):  # the page does not look first, and takes success for what it is
        reader.main("POST", f"/users/{author_id}/follow")
    assert reader.data(f"/users/{author_id}")["statistics"]["followerCount"] == 1
    assert len(author.data("/notifications?page=1&limit=50")["notifications"]) == 1


@both_variables
def test_an_expired_token_leads_to_a_login_page_that_works(visit: Visit) -> None:
    tab = visit("Mai")
    claims = jwt.decode(tab.token, settings.JWT_SECRET, algorithms=["HS256"])
    assert claims.keys() == {"id", "email", "iat", "exp"}
    past = (timezone.now() - timedelta(days=1)).timestamp()
    tab.token = jwt.encode({**claims, "exp": past}, settings.JWT_SECRET, algorithm="HS256")
    for path in ("/posts?page=1&limit=20", "/users/profile", "/auth/me"):
        found = (tab.auth if path == "/auth/me" else tab.main)("GET", path, 401)
        assert found["error"] == "Invalid or expired token. Please login again."
    # The login page fetches it, too: a 401 would load that page again, for ever.
    tab.main("GET", "/notifications?page=1&limit=50", 403)
    old = {"Authorization": f"Bearer {tab.token}"}
    assert httpx.get(f"{tab.variable}/chat/conversations", headers=old).status_code != 401
    url = f"{tab.variable}/notifications/stream?token={tab.token}"
    assert httpx.get(url).json()["error"] == "Invalid token"
    assert tab.data("/options/jobs")
    tab.log_in("MAI@example.test ", "secret 6")
    assert home(tab) == []
    wrong = {"emailOrPhone": "mai@example.test", "password": "wrong"}
    assert tab.auth("POST", "/auth/login", 401, json=wrong)["error"] == "Invalid credentials"
