"""The feed, a member's page, a post's page and the upload page."""

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image

from accounts.models import Category, User
from posts.models import AIStatus, Like, Post, PostImage
from posts.pages import grids
from posts.visibility import Visibility
from tests.conftest import UNKNOWN_ID

pytestmark = pytest.mark.django_db
BROWSER = {"Accept": "text/html"}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def shared(owner: User) -> Callable[..., Post]:
    """Create a post of the owner as rows, because most pages open no file."""

    def make(title: str = "A post", *, images: int = 1, state: str = "done", **fields: Any) -> Post:
        age = fields.pop("age", timedelta(0))
        post = Post.objects.create(**{"user": owner, "title": title, **fields})
        Post.objects.filter(pk=post.pk).update(created_at=timezone.now() - age)
        post.refresh_from_db()
        for order in range(images):
            image_id = uuid4()
            PostImage.objects.create(
                id=image_id,
                post=post,
                image_path=f"posts/{image_id}.jpg",
                image_url=f"/uploads/posts/{image_id}.jpg",
                width=900,
                height=600,
                ai_status=state,
                display_order=order,
            )
        return post

    return make


def titles(text: str) -> list[str]:
    return re.findall(r'card-title">([^<]*)<', text)


def files(*names: str, data: bytes) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(name, data, "image/jpeg") for name in names]


# --- Feed -----------------------------------------------------------------------------------


def test_a_visitor_sees_the_newest_public_posts_first(
    client: Client, shared: Callable[..., Post]
) -> None:
    shared("Old", age=timedelta(days=1))
    shared("New")
    shared("Hidden", visibility=Visibility.PRIVATE)
    shared("Among friends", visibility=Visibility.FRIENDS)
    assert titles(client.get("/").text) == ["New", "Old"]


def test_the_feed_shows_each_member_what_they_may_see(
    client: Client, owner: User, friend: User, stranger: User, shared: Callable[..., Post]
) -> None:
    shared("Hidden", visibility=Visibility.PRIVATE)
    shared("Among friends", visibility=Visibility.FRIENDS)
    seen = {}
    for viewer in (owner, friend, stranger):
        client.force_login(viewer)
        seen[viewer.first_name] = set(titles(client.get("/").text))
    assert seen == {
        "Owner": {"Hidden", "Among friends"},
        "Friend": {"Among friends"},
        "Stranger": set(),
    }


def test_scrolling_shows_every_post_once_even_of_one_moment(
    client: Client, shared: Callable[..., Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grids, "PAGE_SIZE", 4)
    for number in range(10):
        shared(f"Post {number}")
    Post.objects.update(created_at=timezone.now())
    text, seen = client.get("/").text, []
    while True:
        seen += titles(text)
        older = re.search(r'hx-get="([^"]+)"', text)
        if older is None:
            break
        text = client.get(f"/{older[1]}", headers=HTMX).text
        assert "<html" not in text
    assert sorted(seen) == sorted(f"Post {number}" for number in range(10))


def test_without_scripts_the_older_link_opens_a_whole_page(
    client: Client, shared: Callable[..., Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grids, "PAGE_SIZE", 1)
    shared("Old", age=timedelta(days=1))
    shared("New")
    link = re.search(r'href="(\?before=[^"]+)"', client.get("/").text)
    assert link is not None
    page = client.get(f"/{link[1]}").text
    assert "<html" in page
    assert titles(page) == ["Old"]


@pytest.mark.parametrize(
    "before",
    [
        *("nonsense", "\0", "2026-01-01_x", f"2026-01-01T00:00:00_{UNKNOWN_ID}"),
        *(f"0001-01-01T00:00:00+23:59_{UNKNOWN_ID}", f"9999-12-31T23:59:59-23:59_{UNKNOWN_ID}"),
    ],
)
def test_a_broken_place_in_the_feed_is_the_beginning(
    client: Client, shared: Callable[..., Post], before: str
) -> None:
    shared("New")
    assert titles(client.get("/", {"before": before}).text) == ["New"]


@pytest.mark.parametrize("slug", ["no-such", "\0", "art\0"])
def test_an_unknown_category_is_not_found(client: Client, slug: str) -> None:
    assert client.get("/", {"category": slug}).status_code == 404


def test_a_post_without_a_picture_is_no_obstacle(
    client: Client, owner: User, shared: Callable[..., Post]
) -> None:
    """The Node backend left such posts behind, and they are imported with its data."""
    bare = shared("Bare", images=0)
    Like.objects.create(user=owner, post=bare)
    client.force_login(owner)
    for path in ("/", f"/members/{owner.pk}", "/liked"):
        assert titles(client.get(path).text) == ["Bare"]
    for path in (f"/post/{bare.pk}", f"/post/{bare.pk}/similar", f"/search?post={bare.pk}"):
        assert client.get(path).status_code == 200
    for action in ("edit", "delete"):
        assert "Bare" in client.get(f"/post/{bare.pk}/{action}").text


def test_the_feed_takes_as_many_queries_for_twelve_posts_as_for_three(
    client: Client, owner: User, shared: Callable[..., Post]
) -> None:
    client.force_login(owner)
    counts = []
    for number in (3, 9):
        for _ in range(number):
            shared(images=2, visibility=Visibility.FRIENDS)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get("/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert all('embedding"' not in query["sql"] for query in queries.captured_queries)


def test_a_card_reserves_its_place_and_names_what_is_special(
    client: Client, owner: User, shared: Callable[..., Post]
) -> None:
    client.force_login(owner)
    shared("<b>Bold</b>", images=3, state=AIStatus.PENDING, visibility=Visibility.PRIVATE)
    text = client.get("/").text
    assert "--ratio:1.500" in text
    assert "&lt;b&gt;Bold" in text
    assert "Only me" in text
    assert "AI at work" in text
    assert re.search(r"thumbnail\.webp\?expires=\d+&amp;signature=", text)


# --- A member -------------------------------------------------------------------------------


def test_a_members_page_shows_only_what_the_viewer_may_see(
    client: Client, owner: User, stranger: User, shared: Callable[..., Post]
) -> None:
    shared("Open")
    shared("Hidden", visibility=Visibility.PRIVATE)
    Post.objects.create(user=stranger, title="Of someone else")
    url = f"/members/{owner.pk}"
    assert titles(client.get(url).text) == ["Open"]
    client.force_login(stranger)
    assert titles(client.get(url).text) == ["Open"]
    client.force_login(owner)
    assert set(titles(client.get(url).text)) == {"Open", "Hidden"}


def test_unknown_and_deactivated_members_have_no_page(
    client: Client, member: Callable[..., User]
) -> None:
    gone = member("Gone", is_active=False)
    for member_id in (gone.pk, uuid4()):
        assert client.get(f"/members/{member_id}", headers=BROWSER).status_code == 404


# --- A post ---------------------------------------------------------------------------------


def test_a_post_page_puts_the_authors_caption_before_the_machines(
    client: Client, shared: Callable[..., Post]
) -> None:
    post = shared("Sea", tags=["biển"], description="Two\nlines")
    post.images.update(user_caption="Written by hand", ai_caption="a boat")
    text = client.get(f"/post/{post.pk}").text
    assert text.index("Written by hand</p>") < text.index(">a boat<")
    assert "Described by the AI:" in text
    assert "/search?q=bi%E1%BB%83n" in text
    assert "Two<br>lines" in text


@pytest.mark.parametrize("path", ["", "/state", "/similar"])
def test_an_invisible_post_is_not_found(
    client: Client, stranger: User, shared: Callable[..., Post], path: str
) -> None:
    post = shared("Hidden", visibility=Visibility.PRIVATE)
    client.force_login(stranger)
    response = client.get(f"/post/{post.pk}{path}", headers=BROWSER)
    assert response.status_code == 404
    assert "There is nothing here" in response.text
    assert "Hidden" not in response.text


def test_the_author_sees_the_ai_at_work_and_others_do_not(
    client: Client, owner: User, stranger: User, shared: Callable[..., Post]
) -> None:
    post = shared(state=AIStatus.PENDING)
    client.force_login(owner)
    page = client.get(f"/post/{post.pk}").text
    assert "Waiting for the AI" in page
    assert f'hx-get="/post/{post.pk}/state?known=pending"' in page
    client.force_login(stranger)
    assert "Waiting for the AI" not in client.get(f"/post/{post.pk}").text
    assert client.get(f"/post/{post.pk}/state").status_code == 404


def test_the_state_answers_only_what_is_new_and_stops_when_all_is_done(
    client: Client, owner: User, shared: Callable[..., Post]
) -> None:
    post = shared(state=AIStatus.PENDING, images=2)
    client.force_login(owner)
    url = f"/post/{post.pk}/state"
    assert client.get(url, {"known": "pending-pending"}).status_code == 204
    first = post.images.all()[0]
    PostImage.objects.filter(pk=first.pk).update(ai_status=AIStatus.EMBEDDED)
    changed = client.get(url, {"known": "pending-pending"})
    assert changed.headers["HX-Trigger"] == "post-changed"
    assert "known=embedded-pending" in changed.text
    post.images.update(ai_status=AIStatus.FAILED, ai_error="The image file is missing")
    finished = client.get(url, {"known": "embedded-pending"})
    assert "The image file is missing" in finished.text
    assert "hx-trigger" not in finished.text


def test_the_state_needs_a_login(client: Client, shared: Callable[..., Post]) -> None:
    response = client.get(f"/post/{shared().pk}/state")
    assert response.headers["Location"].startswith("/login?next=")


# --- Upload ---------------------------------------------------------------------------------


def test_uploading_needs_a_login(client: Client, picture: Callable[..., bytes]) -> None:
    assert client.get("/upload").headers["Location"] == "/login?next=/upload"
    response = client.post("/upload", {"images": files("a.jpg", data=picture())})
    assert response.headers["Location"].startswith("/login")
    assert not Post.objects.exists()


def test_the_form_works_without_scripts(
    client: Client, owner: User, picture: Callable[..., bytes]
) -> None:
    client.force_login(owner)
    form = {
        "images": files("a.jpg", "b.jpg", data=picture()),
        "title": "Phố cổ",
        "description": "",
        "category_id": str(Category.objects.get(slug="travel").pk),
        "tags": "Hà Nội, mưa",
        "visibility": "friends",
    }
    response = client.post("/upload", form)
    post = Post.objects.get()
    assert response.headers["Location"] == f"/post/{post.pk}"
    assert (post.user, post.title, post.tags) == (owner, "Phố cổ", ["Hà Nội", "mưa"])
    assert (post.visibility, post.images.count()) == ("friends", 2)
    assert post.ai_writable_fields == ["description"]


def test_a_form_sent_twice_makes_one_post_and_a_form_opened_again_another(
    client: Client, owner: User, picture: Callable[..., bytes]
) -> None:
    client.force_login(owner)

    def new_key() -> str:
        found = re.search(r'name="request_key" value="([^"]+)"', client.get("/upload").text)
        assert found is not None
        return found[1]

    def post_with(key: str) -> str:
        form = {"images": files("a.jpg", data=data), "request_key": key, "anyway": "1"}
        return client.post("/upload", form).headers["Location"]

    data, key = picture(), new_key()
    assert post_with(key) == post_with(key) != post_with(new_key())
    assert Post.objects.filter(user=owner).count() == 2


def test_a_refused_upload_says_why_and_keeps_what_was_written(client: Client, owner: User) -> None:
    client.force_login(owner)
    form = {"images": files("a.jpg", data=b"no picture"), "title": "Kept", "tags": "x"}
    response = client.post("/upload", form, headers={"Accept-Language": "vi"})
    assert response.status_code == 400
    assert "Không đọc được ảnh trong tệp này" in response.text
    assert 'value="Kept"' in response.text
    assert client.post("/upload", {"title": "x" * 300}).status_code == 400
    assert client.post("/upload", {"visibility": "everyone"}).status_code == 400
    assert not Post.objects.exists()


def animation() -> bytes:
    frames = [Image.new("L", (90, 60), shade) for shade in (0, 255)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def test_an_animation_plays_on_its_page_and_stands_still_in_the_feed(
    client: Client, owner: User
) -> None:
    client.force_login(owner)
    client.post("/upload", {"images": files("a.gif", data=animation())})
    image = PostImage.objects.get()
    assert image.is_animated
    page, feed = client.get(f"/post/{image.post_id}").text, client.get("/").text
    assert f'src="{image.image_url}' in page
    assert "data-pause" in page
    assert f'src="{image.image_url}' not in feed
    assert "Animation" in feed


@pytest.mark.parametrize(
    ("size", "ratio", "is_cropped"),
    [
        ((1170, 12_000), "0.400", True),
        ((1, 3000), "0.400", True),
        ((3000, 1), "4.000", True),
        ((300, 400), "0.750", False),
        ((3, 3), "1.000", False),
    ],
)
def test_a_page_shows_a_part_of_a_strip_that_can_be_recognized(
    client: Client, shared: Callable[..., Post], size: tuple[int, int], ratio: str, is_cropped: bool
) -> None:
    post = shared()
    post.images.update(width=size[0], height=size[1])
    page = client.get(f"/post/{post.pk}").text
    assert f'style="--ratio:{ratio}"' in page
    assert ("Open to see all of it" in page) == is_cropped


def test_the_texts_of_errors_are_known_to_the_upload_script(client: Client, owner: User) -> None:
    client.force_login(owner)
    text = client.get("/upload", headers={"Accept-Language": "vi"}).text
    assert 'id="error-texts" type="application/json"' in text
    assert '"file_too_large": "' in text


def test_the_scripts_request_is_accepted_with_the_forms_token(
    owner: User, picture: Callable[..., bytes]
) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', browser.get("/upload").text)
    assert found is not None
    image = io.BytesIO(picture())
    image.name = "a.jpg"
    refused = browser.post("/api/posts", {"images": image, "category_id": ""})
    assert refused.status_code == 403
    image.seek(0)
    response = browser.post(
        "/api/posts",
        {"images": image, "category_id": "", "user_captions": '["By hand"]'},
        headers={"X-CSRFToken": found[1]},
    )
    assert response.status_code == 201
    assert PostImage.objects.get().user_caption == "By hand"
