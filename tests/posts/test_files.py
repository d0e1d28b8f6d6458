"""Files of images: URLs, signatures, headers, and refusal of other files."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from accounts.models import User
from posts.files import access
from posts.files.access import content_type_of, file_url, image_id_of, remove_image
from posts.models import Post, PostImage
from tests.posts.conftest import png, stored_files

pytestmark = pytest.mark.django_db
ID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
LIFETIME = timedelta(hours=12)


@pytest.fixture
def secret(new_post: Callable[..., Post]) -> PostImage:
    """The image of a private post."""
    return new_post("red", visibility="private").images.get()


def signed(image: PostImage, rendition: str | None = None) -> str:
    return file_url(image, "private", rendition)


def status(url: str, **query: str) -> int:
    return Client().get(url, query or None).status_code


@pytest.fixture
def set_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`set_time(seconds)`: set the time to so many seconds later."""
    start = time.time()

    def later(seconds: float) -> None:
        monkeypatch.setattr("posts.files.access.time.time", lambda: start + seconds)

    return later


# --- Names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [f"posts/{ID}.jpg", f"posts/{ID}.gif", f"posts/{ID}.thumbnail.webp"]
)
def test_a_name_tells_the_image(name: str) -> None:
    assert image_id_of(name) == UUID(ID)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "posts/",
        f"{ID}.jpg",
        f"avatars/{ID}.jpg",
        f"posts/{ID}",
        f"posts/{ID}.html",
        f"posts/{ID}.svg",
        f"posts/{ID}.jpg.html",
        f"posts/{ID}.jpg\n",
        f"posts/../{ID}.jpg",
        f"posts/{ID}.../.jpg",
        f"posts/{'-' * 36}.jpg",
        f"posts/{ID}.THUMBNAIL.webp",
        f"posts//{ID}.jpg",
        f"posts/{ID}.thumbnail.webp\0",
    ],
)
def test_any_other_name_tells_nothing(name: str) -> None:
    assert image_id_of(name) is None


def test_types_come_from_our_own_extensions() -> None:
    types = [content_type_of(f"a.{extension}") for extension in ("jpg", "png", "webp", "gif")]
    assert types == ["image/jpeg", "image/png", "image/webp", "image/gif"]


# --- URLs -----------------------------------------------------------------------------------


def test_files_of_public_posts_have_plain_urls(secret: PostImage) -> None:
    assert file_url(secret, "public") == f"/uploads/posts/{secret.pk}.png"
    assert file_url(secret, "public", "preview") == f"/uploads/posts/{secret.pk}.preview.webp"


def test_a_signed_url_opens_every_rendition_without_a_login(secret: PostImage) -> None:
    for rendition in (None, "thumbnail", "preview"):
        assert status(signed(secret, rendition)) == 200


def test_a_signature_opens_all_files_of_its_image_only(
    secret: PostImage, new_post: Callable[..., Post]
) -> None:
    other = new_post("blue", visibility="private").images.get()
    query = urlsplit(signed(secret)).query
    assert status(f"/uploads/posts/{secret.pk}.thumbnail.webp?{query}") == 200
    assert status(f"/uploads/{other.image_path}?{query}") == 404


def test_a_signed_url_lives_for_half_its_lifetime_at_least_and_then_ends(
    secret: PostImage, set_time: Callable[[float], None]
) -> None:
    set_time(0)
    url = signed(secret)
    set_time(LIFETIME.total_seconds() / 2 - 1)
    assert status(url) == 200
    set_time(LIFETIME.total_seconds() + 1)
    assert status(url) == 404


def test_the_url_stays_the_same_for_a_while_so_that_browsers_keep_the_file(
    secret: PostImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = int(LIFETIME.total_seconds() / 2)
    urls = []
    for moment in (0, half - 1, half):
        monkeypatch.setattr(
            "posts.files.access.time.time", lambda moment=moment: 100_000 * half + moment
        )
        urls.append(signed(secret))
    assert urls[0] == urls[1] != urls[2]


def test_a_changed_signature_or_expiry_opens_nothing(secret: PostImage) -> None:
    url = urlsplit(signed(secret))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert query.keys() == {"expires", "signature"}
    path, expires, signature = url.path, query["expires"], query["signature"]
    other = "A" if signature[0] != "A" else "B"
    wrong: list[dict[str, str]] = [
        {"expires": expires},
        {"signature": signature},
        {"expires": str(int(expires) + 1), "signature": signature},
        {"expires": f"{expires}0", "signature": signature},
        {"expires": expires, "signature": ""},
        {"expires": expires, "signature": other + signature[1:]},
        {"expires": expires, "signature": signature[:-1]},
        {"expires": expires, "signature": "é\udcff".encode("utf-8", "replace").decode()},
        {"expires": "", "signature": signature},
        {"expires": "-1", "signature": signature},
        {"expires": "soon", "signature": signature},
        {"expires": "9" * 5_000, "signature": signature},
        {"expires": "٣" * 10, "signature": signature},
        {"expires": f" {expires}", "signature": signature},
    ]
    assert status(path, expires=expires, signature=signature) == 200
    for changed in wrong:
        assert status(path, **changed) == 404, changed


def test_a_signature_made_with_another_key_opens_nothing(secret: PostImage, settings: Any) -> None:
    from django.core.signing import Signer

    expires = int(time.time()) + 1_000
    forged = Signer(key="x" * 40, salt="posts.files").signature(f"{secret.pk}:{expires}")
    assert not access.is_signed(secret.pk, str(expires), forged)


# --- Responses ------------------------------------------------------------------------------


def test_a_public_file_may_be_cached_by_everyone_for_five_minutes(
    new_post: Callable[..., Post],
) -> None:
    image = new_post("red").images.get()
    response = Client().get(f"/uploads/{image.image_path}")
    assert response.getvalue() == png("red")
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response["Cache-Control"] == "public, max-age=300, must-revalidate"


def test_a_file_that_is_not_public_is_cached_by_browsers_only(
    secret: PostImage, owner: User
) -> None:
    assert Client().get(signed(secret))["Cache-Control"].startswith("private,")
    browser = Client()
    browser.force_login(owner)
    response = browser.get(f"/uploads/{secret.image_path}")
    assert response["Cache-Control"].startswith("private,")


def test_head_has_the_headers_and_no_body(new_post: Callable[..., Post]) -> None:
    image = new_post("red").images.get()
    response = Client().head(f"/uploads/{image.image_path}")
    assert (response.status_code, response.content) == (200, b"")
    assert response["Content-Type"] == "image/png"


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_files_can_only_be_read(method: str, new_post: Callable[..., Post]) -> None:
    image = new_post("red").images.get()
    assert getattr(Client(), method)(f"/uploads/{image.image_path}").status_code == 405
    assert default_storage.exists(image.image_path)


@pytest.mark.parametrize(
    "path",
    [
        "/uploads/",
        f"/uploads/posts/{ID}.jpg",
        "/uploads/posts/",
        "/uploads/../settings.py",
        "/uploads/posts/..%2f..%2fsettings.py",
        "/uploads/%00",
        "/uploads//etc/passwd",
    ],
)
def test_unknown_files_are_not_found(path: str) -> None:
    response = Client().get(path)
    assert response.status_code == 404
    assert response.json()["success"] is False


def test_a_lost_file_is_not_found(new_post: Callable[..., Post]) -> None:
    image = new_post("red").images.get()
    default_storage.delete(image.image_path)
    assert status(f"/uploads/{image.image_path}") == 404
    assert status(f"/uploads/posts/{image.pk}.thumbnail.webp") == 200


def test_the_extension_of_another_type_is_not_found(new_post: Callable[..., Post]) -> None:
    image = new_post("red").images.get()
    assert status(f"/uploads/posts/{image.pk}.jpg") == 404


def test_a_picture_takes_two_queries_at_most(
    new_post: Callable[..., Post], django_assert_max_num_queries: Any, secret: PostImage
) -> None:
    url = signed(secret)
    with django_assert_max_num_queries(0):
        Client().get(url)
    with django_assert_max_num_queries(1):
        Client().get(f"/uploads/{secret.image_path}")


def test_removing_an_image_removes_every_file_and_may_be_repeated(
    new_post: Callable[..., Post],
) -> None:
    kept, gone = new_post("red", "blue").images.all()
    remove_image(gone.pk)
    remove_image(gone.pk)
    assert {name.split(".")[0] for name in stored_files()} == {str(kept.pk)}
    assert len(stored_files()) == 3
