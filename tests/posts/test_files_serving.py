"""GET /uploads/…: permission, ranges, caching, and no path traversal."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.test import AsyncClient, Client
from rest_framework.test import APIClient

from accounts.models import User
from media.file_response import CHUNK_SIZE
from posts.models import Post
from posts.services import create_post
from tests.posts.rows import invalid

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]

DATA = bytes(range(256)) * 8  # 2048 bytes


def get(url: str, client: Client | None = None, **headers: str) -> Any:
    """Return the response, with its streamed content as `body`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response: Any = (client or Client()).get(url, headers=named)
    response.body = b"".join(response)
    return response


@pytest.fixture
def video() -> str:
    """The URL of a file whose bytes reveal their positions."""
    return f"/uploads/{default_storage.save(f'chat/{uuid4()}.mp4', ContentFile(DATA))}"


@pytest.fixture
def post(owner: User, picture: Callable[..., bytes]) -> Post:
    uploads: list[Any] = [SimpleUploadedFile("a.jpg", picture())]
    return create_post(author=owner, uploads=uploads)


class TestAnswer:
    def test_has_what_browsers_and_other_sites_need(self, video: str) -> None:
        response = get(video, Origin="https://elsewhere.test")
        assert response.status_code == 200
        assert response.body == DATA
        assert response["Content-Type"] == "video/mp4"
        assert response["Content-Length"] == "2048"
        assert response["Accept-Ranges"] == "bytes"
        assert response["Access-Control-Allow-Origin"] == "*"
        assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cache-Control"] == "public, max-age=31536000, immutable"

    def test_to_head_has_no_body(self, video: str) -> None:
        response = Client().head(video)
        assert response.status_code == 200
        assert response.content == b""
        assert response["Content-Length"] == "2048"

    @pytest.mark.parametrize("method", ["post", "put", "delete"])
    def test_to_anything_else_is_no(self, video: str, method: str) -> None:
        assert getattr(Client(), method)(video).status_code == 405
        assert get(video).body == DATA

    def test_not_modified(self, video: str) -> None:
        first = get(video)
        for headers in (
            {"If_None_Match": first["ETag"]},
            {"If_None_Match": f'"other", W/{first["ETag"]}'},
            {"If_Modified_Since": first["Last-Modified"]},
        ):
            response = get(video, **headers)
            assert response.status_code == 304
            assert response["ETag"] == first["ETag"]
            assert response.body == b""
        assert get(video, If_None_Match='"other"').status_code == 200


class TestRange:
    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [
            ("bytes=0-1", 0, 2),  # Safari's first question
            ("bytes=0-", 0, 2048),
            ("bytes=5-5", 5, 6),
            ("bytes=100-199", 100, 200),
            ("bytes=2000-99999", 2000, 2048),
            ("bytes=-10", 2038, 2048),
            ("bytes=-9999", 0, 2048),
        ],
    )
    def test_is_partial_content(self, video: str, asked: str, start: int, stop: int) -> None:
        for response in (get(video, Range=asked), Client().head(video, headers={"Range": asked})):
            assert response.status_code == 206
            assert response["Content-Range"] == f"bytes {start}-{stop - 1}/2048"
            assert response["Content-Length"] == str(stop - start)
        assert get(video, Range=asked).body == DATA[start:stop]

    @pytest.mark.parametrize("asked", ["bytes=2048-", "bytes=9999-10000", "bytes=-0"])
    def test_outside_of_the_file(self, video: str, asked: str) -> None:
        response = get(video, Range=asked)
        assert response.status_code == 416
        assert response["Content-Range"] == "bytes */2048"

    @pytest.mark.parametrize(
        "asked", ["", "bytes=", "bytes=-", "bytes=9-3", "lines=1-2", "bytes=0-1,4-5", "bytes=a-b"]
    )
    def test_that_makes_no_sense_is_ignored(self, video: str, asked: str) -> None:
        response = get(video, Range=asked)
        assert response.status_code == 200
        assert response.body == DATA

    def test_only_of_the_file_that_was_begun(self, video: str) -> None:
        first = get(video)
        for condition, status in (
            (first["ETag"], 206),
            (first["Last-Modified"], 206),
            ('"other"', 200),
        ):
            assert get(video, Range="bytes=0-9", If_Range=condition).status_code == status


class TestWho:
    def images(self, client: APIClient, post: Post) -> list[str]:
        image = client.get(f"/api/posts/{post.pk}").json()["data"]["images"][0]
        return [image[name] for name in ("image_url", "thumbnail_url", "preview_url")]

    def test_everyone_gets_a_public_picture(self, api: Api, stranger: User, post: Post) -> None:
        for url in self.images(api(stranger), post):
            response = get(url)
            assert response.status_code == 200
            assert response["Content-Type"] in ("image/jpeg", "image/webp")
            assert response["Cache-Control"] == "public, max-age=300, must-revalidate"
            again = get(url, If_None_Match=response["ETag"])
            assert (again.status_code, again["Cache-Control"]) == (
                304,
                response["Cache-Control"],
            )

    @pytest.mark.parametrize("visibility", ["friends", "private"])
    def test_others_get_it_by_signed_url_alone(
        self, api: Api, owner: User, stranger: User, post: Post, visibility: str
    ) -> None:
        Post.objects.update(visibility=visibility)
        client = Client()
        client.force_login(stranger)
        for url in self.images(api(owner), post):
            response = get(url)
            assert response.status_code == 200
            plain, _, query = url.partition("?")
            left = int(QueryDict(query)["expires"]) - time.time()
            scope, age = response["Cache-Control"].split(", max-age=")
            assert scope == "private"
            assert int(age) == pytest.approx(left, abs=5)
            for wrong in (
                plain,
                f"{plain}?{query[:-1]}",
                f"{plain}?{query.replace('expires=1', 'expires=2')}",
                f"{plain}?expires=9999999999&signature=x",
            ):
                for anybody in (Client(), client):
                    invalid(get(wrong, anybody), 404, "Route not found")

    def test_the_author_gets_it_by_session(self, owner: User, post: Post) -> None:
        Post.objects.update(visibility="private")
        image = post.images.get()
        client = Client()
        client.force_login(owner)
        response = get(image.image_url, client)
        assert response.status_code == 200
        assert response["Cache-Control"] == "private, max-age=300, must-revalidate"
        assert get(image.image_url).status_code == 404


class TestWayOut:
    @pytest.mark.parametrize(
        "name",
        [
            "",
            "chat",
            "chat/",
            "../secret_key",
            "chat/../../secret_key",
            "%2e%2e/secret_key",
            "chat/%2e%2e%2f%2e%2e%2fsecret_key",
            "..%5csecret_key",
            "/etc/passwd",
            "chat//etc/passwd",
            "chat/secret.txt",
            "other/3f2b8c1e-9d4a-4b6f-8e2a-1c5d7f9b0a3e.jpg",
            "chat/3f2b8c1e-9d4a-4b6f-8e2a-1c5d7f9b0a3e.jpg",
            "posts/3f2b8c1e-9d4a-4b6f-8e2a-1c5d7f9b0a3e.jpg",
            "posts/------------------------------------.jpg",
            "posts/3f2b8c1e-9d4a-4b6f-8e2a-1c5d7f9b0a3e.jpg%00",
            "chat/3f2b8c1e-9d4a-4b6f-8e2a-1c5d7f9b0a3e.jpg%0a",
        ],
    )
    def test_is_shut(self, name: str) -> None:
        (settings.DATA_DIR / "secret_key").write_text("hush")
        (settings.MEDIA_ROOT / "chat").mkdir(parents=True, exist_ok=True)
        (settings.MEDIA_ROOT / "chat" / "secret.txt").write_text("hush")
        invalid(Client().get(f"/uploads/{name}"), 404, "Route not found")


def test_a_large_file_is_read_in_pieces_under_asgi() -> None:
    """Also, Django's warning about a consumed iterator would fail this test."""
    data = bytes(1000) * 1000
    name = default_storage.save(f"chat/{uuid4()}.mp4", ContentFile(data))

    async def fetch() -> list[bytes]:
        response = await AsyncClient().get(f"/uploads/{name}", headers={"Range": "bytes=100-"})
        assert response.status_code == 206
        pieces = [piece async for piece in response]  # type: ignore[attr-defined]
        response.close()
        return pieces

    pieces = async_to_sync(fetch)()
    assert b"".join(pieces) == data[100:]
    assert max(map(len, pieces)) == CHUNK_SIZE
