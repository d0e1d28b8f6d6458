"""The search page, and posts similar to a post."""

import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Category, User
from ai import services as ai
from media.images import decode_bytes
from posts.models import EMBEDDING_DIMENSIONS, AIStatus, Post, PostImage
from posts.visibility import Visibility
from search.rest.serializers import FiltersSerializer

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
VIETNAMESE = {"Accept-Language": "vi"}


@pytest.fixture
def found_by(owner: User) -> Callable[..., Post]:
    """Return a function that creates a post whose image has this direction in the vector space."""

    def make(title: str, direction: tuple[float, float], **fields: object) -> Post:
        vector = np.zeros(EMBEDDING_DIMENSIONS)
        vector[:2] = np.asarray(direction) / np.linalg.norm(direction)
        post = Post.objects.create(user=owner, title=title, **fields)
        PostImage.objects.create(
            post=post,
            image_url="https://elsewhere.test/a.jpg",
            ai_status=AIStatus.DONE,
            embedding=vector.tolist(),
            embedding_model=ai.clip_name(),
        )
        return post

    return make


def upload(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("a.jpg", data, "image/jpeg")


def test_an_empty_search_page_suggests_what_to_ask(client: Client) -> None:
    page = client.get("/search")
    assert page.status_code == 200
    assert "Search by meaning" in page.text
    assert client.get("/search", {"q": "  "}).status_code == 200


def test_without_ai_posts_are_found_by_words_and_the_page_says_so(
    client: Client, found_by: Callable[..., Post]
) -> None:
    found_by("Phố cổ Hội An", (1, 0))
    found_by("Phố vắng", (1, 0), visibility=Visibility.PRIVATE)
    page = client.get("/search", {"q": "phố"})
    assert page.status_code == 200
    assert "Phố cổ Hội An" in page.text
    assert "Phố vắng" not in page.text
    assert "The AI is not available" in page.text
    assert "%</span" not in page.text
    assert 'value="phố"' in page.text


def test_htmx_gets_the_results_alone(client: Client, found_by: Callable[..., Post]) -> None:
    found_by("Phố cổ", (1, 0))
    response = client.get("/search", {"q": "phố"}, headers={**HTMX, **VIETNAMESE})
    assert "<html" not in response.text
    assert "Tìm thấy 1 bài đăng" in response.text
    assert "HX-Request" in response.headers["Vary"]


def test_the_page_says_that_nothing_was_found(client: Client) -> None:
    assert "Nothing found" in client.get("/search", {"q": "zzz"}).text


def test_a_query_that_is_not_allowed_is_refused_with_a_page(client: Client) -> None:
    response = client.get("/search", {"q": "a\x00b"})
    assert response.status_code == 400
    assert "The search failed" in response.text


def test_the_query_is_shown_as_escaped_text(client: Client) -> None:
    assert "<script>alert" not in client.get("/search", {"q": "<script>alert(1)</script>"}).text


def test_searching_by_a_picture_needs_a_login(
    client: Client, picture: Callable[..., bytes]
) -> None:
    response = client.post("/search", {"image": upload(picture())})
    assert response.headers["Location"] == "/login?next=/search"
    assert 'id="search-image"' not in client.get("/search").text


def test_without_ai_a_search_by_picture_says_so(
    client: Client, stranger: User, picture: Callable[..., bytes]
) -> None:
    client.force_login(stranger)
    response = client.post("/search", {"image": upload(picture())}, headers={**HTMX, **VIETNAMESE})
    assert response.status_code == 503
    assert "AI hiện không hoạt động" in response.text
    assert "<html" not in response.text


def test_a_file_that_is_no_picture_is_refused(client: Client, stranger: User) -> None:
    client.force_login(stranger)
    assert client.post("/search", {"image": upload(b"no")}).status_code == 400
    assert "Image file is required" in client.post("/search").text


@pytest.mark.usefixtures("worker")
@pytest.mark.django_db(transaction=True)
def test_with_ai_matches_come_with_a_percentage(
    client: Client, owner: User, picture: Callable[..., bytes], settings: Any
) -> None:
    settings.AI_TIMEOUT = 60.0  # the first caption of a worker on a busy machine
    client.force_login(owner)
    data = picture(size=(320, 240), color="red")
    vector = ai.embed_image(decode_bytes(data))
    post = Post.objects.create(user=owner, title="The same", visibility=Visibility.PRIVATE)
    PostImage.objects.create(
        post=post,
        image_url="https://elsewhere.test/a.jpg",
        ai_status=AIStatus.DONE,
        embedding=vector,
        embedding_model=ai.clip_name(),
    )
    response = client.post("/search", {"image": upload(data)}, headers=HTMX)
    assert response.status_code == 200
    assert "The same" in response.text
    assert "100 %" in response.text
    assert client.get("/search", {"q": "a red car"}).text.count("The AI is not available") == 0


def test_similar_posts_are_the_nearest_visible_ones(
    client: Client, found_by: Callable[..., Post]
) -> None:
    asked = found_by("Asked", (1, 0))
    found_by("Far", (0, 1))
    found_by("Near", (1, 0.1))
    found_by("Hidden", (1, 0), visibility=Visibility.PRIVATE)
    text = client.get(f"/post/{asked.pk}/similar").text
    assert text.index("Near") < text.index("Far")
    assert "Hidden" not in text
    assert "Asked" not in text


def test_a_post_that_is_not_embedded_yet_has_no_similar_ones(client: Client, owner: User) -> None:
    post = Post.objects.create(user=owner, title="New")
    response = client.get(f"/post/{post.pk}/similar")
    assert response.status_code == 200
    assert response.text.strip() == ""


# --- The form -----------------------------------------------------------------------------------

ALL_FILTERS = {
    "category": "food",
    "author": "Owner",
    "tags": "sea, boat",
    "since": "2020-01-01",
    "until": "2030-12-31",
    "visibility": "public",
    "followed": "true",
    "color": "blue",
    "orientation": "landscape",
    "sort": "date",
}


class Form(HTMLParser):
    """sent: the fields that the text form would send. links: URLs on the page, by id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self._inside, self._select = False, ""
        self.feed(page)

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in pairs}
        if tag == "form":
            self._inside = given.get("id") == "search-form"
        elif tag == "a" and "id" in given:
            self.links[given["id"]] = given["href"]
        elif not self._inside:
            return
        elif tag == "select":
            self._select = given["name"]
            self.sent[self._select] = ""
        elif tag == "option" and "selected" in given:
            self.sent[self._select] = given["value"]
        elif tag == "input" and ("checked" in given or given.get("type") not in CHECKED):
            self.sent[given["name"]] = given.get("value", "")


CHECKED = ("radio", "checkbox")


def test_the_form_keeps_every_filter_until_they_are_cleared(client: Client, stranger: User) -> None:
    client.force_login(stranger)
    asked = {"q": "boat", **ALL_FILTERS}
    form = Form(client.get("/search", asked).text)
    assert form.sent == asked
    assert form.links["clear-filters"] == "/search?q=boat"
    assert set(ALL_FILTERS) == set(FiltersSerializer().fields)


def test_a_visitor_has_filters_for_members_only_where_a_link_asks_for_them(client: Client) -> None:
    assert not {"visibility", "followed"} & Form(client.get("/search").text).sent.keys()
    asked = {"q": "boat", "visibility": "public", "followed": "true"}
    assert asked.items() <= Form(client.get("/search", asked).text).sent.items()


def test_pages_that_follow_keep_the_filters(client: Client, owner: User) -> None:
    for number in range(30):
        post = Post.objects.create(user=owner, title=f"Boat {number}", tags=["sea"])
        PostImage.objects.create(post=post, image_url="https://elsewhere.test/a.jpg")
    asked = {"q": "boat", "author": "owner", "tags": "sea", "visibility": "public"}
    first = client.get("/search", asked)
    assert first.text.count('class="card"') == 24
    address = re.search(r'href="(/search[?][^"]*cursor=[^"]*)"', first.text)
    assert address is not None
    second = client.get(unescape(address[1]))
    assert second.text.count('class="card"') == 6
    assert asked.items() <= Form(second.text).sent.items()


def test_ids_in_a_link_are_shown_by_name(client: Client, owner: User) -> None:
    food = Category.objects.get(slug="food")
    sent = Form(client.get("/search", {"author": owner.pk, "category": food.pk}).text).sent
    assert (sent["author"], sent["category"]) == (owner.full_name, "food")
