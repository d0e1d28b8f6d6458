"""POST /posts/generate-caption and /generate-metadata, with the AI and without it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import Category, User
from ai import services as ai
from ai.zero_shot import MIN_PROBABILITY
from posts.models import Post
from smimso.errors import Unavailable
from tests.posts.rows import invalid

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]

CAPTION, METADATA = "/api/posts/generate-caption", "/api/posts/generate-metadata"


@pytest.fixture
def send(api: Api, owner: User, picture: Callable[..., bytes]) -> Callable[..., Any]:
    def post(url: str, name: str = "IMG_1234.jpg", data: bytes | None = None) -> Any:
        field = "image" if url == CAPTION else "images"
        file = SimpleUploadedFile(name, picture() if data is None else data, "image/jpeg")
        return api(owner).post(url, {field: file}, format="multipart")

    return post


@pytest.fixture
def sees(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Replace the AI's replies; return a list that collects the calls."""

    def answer(caption: str | Exception, slug: str = "food", score: float = 0.9) -> list[str]:
        calls = []

        def caption_and_label(
            image: Any, labels: list[Any]
        ) -> tuple[str, tuple[int, float] | None]:
            calls.append("caption and category")
            if isinstance(caption, Exception):
                raise caption
            categories = list(Category.objects.all())
            assert [label["en"] for label in labels] == [[each.prompt] for each in categories]
            best = [category.slug for category in categories].index(slug)
            return caption, (best, score) if score > MIN_PROBABILITY else None

        monkeypatch.setattr(ai, "caption_and_label", caption_and_label)
        return calls

    return answer


def stored() -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


class TestCaption:
    def test_with_the_stored_name_of_the_category(
        self, send: Callable[..., Any], sees: Callable[..., list[str]]
    ) -> None:
        calls = sees("a bowl of noodles")
        body = send(CAPTION).json()
        name = Category.objects.get(slug="food").name
        assert body == {
            "success": True,
            "message": "Caption generated successfully",
            "data": {
                "caption": "a bowl of noodles",
                "category_label": name,
                "category_score": 0.9,
            },
        }
        assert calls == ["caption and category"]

    def test_without_an_unlikely_category(
        self, send: Callable[..., Any], sees: Callable[..., list[str]]
    ) -> None:
        sees("a bowl of noodles", score=0.25)
        assert send(CAPTION).json()["data"] == {"caption": "a bowl of noodles"}

    @pytest.mark.parametrize("caption", ["", Unavailable()])
    def test_falls_back_when_there_is_none(
        self, send: Callable[..., Any], sees: Callable[..., list[str]], caption: Any
    ) -> None:
        sees(caption, score=0.1)
        response = send(CAPTION)
        assert response.status_code == 200
        assert response.json()["message"] == "Caption generated with fallback"
        assert response.json()["data"] == {"caption": "Beautiful Image"}

    def test_falls_back_without_a_worker(self, send: Callable[..., Any]) -> None:
        response = send(CAPTION)
        assert response.status_code == 200
        assert response.json()["data"] == {"caption": "Beautiful Image"}


class TestMetadata:
    def test_from_the_picture(
        self, send: Callable[..., Any], sees: Callable[..., list[str]]
    ) -> None:
        calls = sees("a bowl of noodles with a spoon")
        body = send(METADATA, "sunset-beach.jpg").json()
        assert body == {
            "success": True,
            "message": "Metadata generated successfully",
            "data": {
                "caption": "a bowl of noodles with a spoon",
                "description": "a bowl of noodles with a spoon",
                "tags": ["bowl", "noodles", "spoon"],
                "category_id": str(Category.objects.get(slug="food").pk),
            },
        }
        assert calls == ["caption and category"]

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("sunset_at-the beach.jpg", "sunset at the beach"),
            ("Phở bò.png", "Phở bò"),
            ("IMG_20240131_0815.jpg", ""),
            ("DSC-0042.JPG", ""),
            ("3f2b8c1e-9d4a-4b6f-8e2a-1c5d7f9b0a3e.jpg", ""),
            ("blob", ""),
        ],
    )
    def test_without_the_ai_from_the_files_own_name_and_never_a_category(
        self, send: Callable[..., Any], name: str, words: str
    ) -> None:
        response = send(METADATA, name)
        assert response.status_code == 200
        assert response.json()["data"] == {"caption": words, "description": words, "tags": []}

    def test_a_category_without_a_caption(
        self, send: Callable[..., Any], sees: Callable[..., list[str]]
    ) -> None:
        sees("", slug="art")
        data = send(METADATA).json()["data"]
        assert data["category_id"] == str(Category.objects.get(slug="art").pk)
        assert data["caption"] == ""


@pytest.mark.parametrize(
    ("url", "field", "missing"),
    [
        (CAPTION, "image", "Image file is required"),
        (METADATA, "images", "At least one image is required"),
    ],
)
class TestBoth:
    def test_need_a_picture(
        self, api: Api, owner: User, url: str, field: str, missing: str
    ) -> None:
        invalid(api(owner).post(url, {}, format="multipart"), 400, missing)
        file = SimpleUploadedFile("a.jpg", b"x")
        invalid(api(owner).post(url, {"file": file}, format="multipart"), 400, "Unexpected field")
        page = SimpleUploadedFile("a.jpg", b"<script>alert(1)</script>", "image/jpeg")
        response = api(owner).post(url, {field: page}, format="multipart")
        assert response.status_code == 400
        assert response.json()["error"].startswith("The file is not a readable image")

    def test_are_for_members(self, api: Api, url: str, field: str, missing: str) -> None:
        assert api().post(url, {}, format="multipart").status_code == 401

    def test_keep_nothing(
        self, send: Callable[..., Any], url: str, field: str, missing: str
    ) -> None:
        before = stored()
        assert send(url).status_code == 200
        assert stored() == before
        assert not Post.objects.exists()
