"""The rule for text that members write, wherever they write it, and the isolation of names."""

import json
import re
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Category, User
from posts.models import Comment, Post
from posts.services import create_post
from smimso.templatetags.isolation import bdi, isolate
from smimso.visible_text import MAX_STACKED_MARKS, clean_line, clean_text
from tests.posts.rows import make_post

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
INVISIBLE = {
    "zero width space": "\u200b",
    "Hangul filler": "\u3164",
    "Hangul initial filler": "\u115f\u1160",
    "halfwidth filler": "\uffa0",
    "Braille blank": "\u2800",
    "byte-order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "combining marks": "\u0301\u0323",
    "variation selectors": "\ufe0f\U000e0100",
    "tag characters": "\U000e0041\U000e007f",
    "joiners": "\u200d\u200c",
    "blanks": " \t\n\u00a0\u3000\u2028\u2003",
    "controls": "\x07\x1b\x85",
    "direction": "\u202e\u2066\u200f\u061c",
    "noncharacters": "\ufdd0\uffff\U0010fffe",
    "Mongolian separator": "\u180e\u180b",
    "invisible operators": "\u2063\u2064\u2065",
    "Khmer inherent vowel": "\u17b4",
    "a blank hieroglyph": "\U00013441",
    "a musical blank": "\U0001d159",
}


@pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE)
def test_text_that_shows_nothing_is_empty(text: str) -> None:
    assert clean_line(text) == clean_text(text) == ""
    assert clean_line(f"{text} {text}") == ""


@pytest.mark.parametrize(
    "text",
    [
        "Nguyễn Thị Ánh",
        "می‌خواهم",  # Persian, with a joiner that changes letters
        "क्‍ष",
        "👨‍👩‍👧‍👦",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "❤️",
        "1️⃣",
        "שָׁלוֹם",
        "བསྒྲུབས",
        "한국어",
        "!",
        "\U0001fffd",  # may be an emoji of the future
    ],
)
def test_text_of_any_script_stays(text: str) -> None:
    assert clean_line(text) == clean_text(text) == unicodedata.normalize("NFC", text)


def test_a_line_has_no_controls_and_no_direction_of_its_own() -> None:
    assert clean_line("\u202eLinh\u2069\x07 \u2066Ng\nuyễn\u200f\u200b") == "Linh Ng uyễn"
    assert clean_line("photo\u202egnp.exe") == "photognp.exe"


def test_a_long_text_keeps_its_lines_and_loses_what_reverses_others() -> None:
    assert clean_text(" a\r\nb\u2028c\td\x00\x08 ") == "a\nb\nc\td\x00"
    assert clean_text("\u202eevil\n\u2067open\n\u2069closed") == "evil\nopen\nclosed"
    balanced = "see \u2067שלום \u202a(a)\u202c\u2069 there"
    assert clean_text(balanced) == balanced
    assert clean_text("\u2067a\u202ab\u2069c\u202c") == "a\u202abc\u202c"


def test_stacks_of_marks_are_limited() -> None:
    stacked = clean_line("Z" + "\u0336\u0489\u0301" * 500 + "algo")
    assert len(stacked) <= len("Zalgo") + MAX_STACKED_MARKS


@pytest.mark.parametrize(
    "unit", ["\u0301\u0316", "\u302e\U0001d165", "\u202a", " ", "🏴\U000e0061", "\u2067a\n"]
)
def test_hostile_text_takes_no_time(unit: str) -> None:
    start = time.process_time()
    clean_text(unit * 500_000)
    assert time.process_time() - start < 1


def test_a_name_is_isolated_where_it_stands_next_to_other_text() -> None:
    assert bdi("<שלום\u202e>") == "<bdi>&lt;שלום&gt;</bdi>"
    assert isolate("שלום") == "\u2068שלום\u2069"
    assert isolate("Ánh") == "Ánh"
    assert bdi(None) == bdi("\u3164") == isolate("") == ""


NAME = r"(?:full_name|display_title|\.title|category\.name|\.content|author\.bio)\b"
SHOWN = re.compile(rf"{{{{[^}}]*{NAME}[^}}]*}}}}|=[\w.]*{NAME}\S*")  # a variable, or a `with`
ALONE = re.compile(
    r'(dir="auto"[^<>]*>|(content|value)=")$'
)  # in an element or attribute of its own


def test_no_template_shows_a_name_or_title_without_isolation() -> None:
    bare = []
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text()
        for match in SHOWN.finditer(text):
            is_alone = ALONE.search(text[: match.start()])
            is_alone = is_alone or text.startswith("</option>", match.end())
            if not re.search(r"\|(bdi|isolate)\b", match[0]) and not is_alone:
                bare.append(f"{path.name}: {match[0]}")
    assert bare == []


# --- Where members write ----------------------------------------------------------------------

Api = Callable[..., APIClient]
NOTHING = ["\u200b", "\u3164", "\u2800\u00a0", "\U000e0041", "\u0301"]
FORMS = [
    ("PUT", "users/profile", "first_name"),
    ("PUT", "users/profile", "last_name"),
    ("PUT", "users/profile", "job"),
    ("PUT", "users/profile", "bio"),
    ("PUT", "users/profile", "phone"),
    ("PUT", "posts/{post}", "title"),
    ("PUT", "posts/{post}", "description"),
    ("POST", "posts/{post}/comments", "content"),
    ("PATCH", "posts/{post}/images/{image}", "user_caption"),
    ("POST", "search/text", "query"),
    ("POST", "auth/register", "first_name"),
]


@pytest.fixture
def post(owner: User) -> Post:
    return make_post(owner, title="A title", description="A description")


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "field"), FORMS)
def test_rest_answers_invisible_text_as_it_answers_none(
    owner: User, post: Post, api: Api, method: str, path: str, field: str
) -> None:
    image = post.images.get()
    url = f"/api/{path.format(post=post.pk, image=image.pk)}"
    fields = {"email": "new@example.test", "password": "correct horse"}

    def send(text: str) -> tuple[int, dict[str, Any]]:
        response = api(owner).generic(
            method, url, json.dumps(fields | {field: text}), content_type="application/json"
        )
        data = {"updated_at", "data"} if field == "query" else {"updated_at"}
        body = response.json()
        if isinstance(body.get("data"), dict):
            body["data"] = {name: body["data"][name] for name in body["data"].keys() - data}
        return response.status_code, body

    empty = send("")
    for text in NOTHING:
        assert send(text) == empty


@pytest.mark.django_db
def test_names_titles_and_tags_have_no_controls(owner: User, post: Post, api: Api) -> None:
    client = api(owner)
    profile = client.put("/api/users/profile", {"first_name": "Li\u202enh\x07"}, format="json")
    assert profile.json()["data"]["first_name"] == "Linh"
    changes = {"title": "So\u2067n\u0301\ng", "tags": ["\u3164", "se\u200fa"]}
    changed = client.put(f"/api/posts/{post.pk}", changes, format="json").json()["data"]
    assert (changed["title"], changed["tags"]) == ("Soń g", ["sea"])
    comment = {"content": "one\u2028two \u202e\u200dthree"}
    client.post(f"/api/posts/{post.pk}/comments", comment, format="json")
    assert Comment.objects.get().content == "one\ntwo \u200dthree"


@pytest.mark.django_db
@pytest.mark.parametrize("text", NOTHING)
def test_pages_and_the_admin_refuse_invisible_text_as_they_refuse_none(
    client: Client, owner: User, post: Post, text: str
) -> None:
    form = {"email": "new@example.test", "password": "secret word", "password_again": "secret word"}
    assert "This field is required." in client.post("/register", form | {"first_name": text}).text
    client.force_login(owner)
    assert client.post("/settings/profile", {"first_name": text}).status_code == 400
    assert client.post(f"/post/{post.pk}/edit", {"title": text}).status_code == 400
    comments = client.post(f"/post/{post.pk}/comments/add", {"content": text})
    assert comments.status_code == 400
    owner.is_staff = owner.is_superuser = True
    owner.save()
    path = f"/admin/accounts/category/{Category.objects.all()[0].pk}/change/"
    form = {"name": text, "slug": "a", "prompt": "a"}
    assert "This field is required." in client.post(path, form).text


@pytest.mark.django_db
def test_a_search_is_shown_back_without_controls(client: Client) -> None:
    page = client.get("/search", {"q": "\u202eevil\x07", "author": "\u202eLinh"}).text
    assert 'value="evil"' in page
    assert 'value="Linh"' in page
    assert "<title>evil · Search" in page


@pytest.mark.django_db
def test_a_title_from_a_file_name_has_no_controls(
    owner: User, picture: Callable[..., bytes], settings: Any, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    file = SimpleUploadedFile("ba\u0303i\u202e bie\u0302\u0309n\x07.jpg", picture(), "image/jpeg")
    assert create_post(author=owner, uploads=[file]).title == "bãi biển"
