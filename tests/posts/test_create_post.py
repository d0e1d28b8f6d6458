"""Creating a post: one transaction, a response before the AI, no traces of a failure."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError
from rest_framework.test import APIClient

from accounts.models import Category, User
from posts.models import AIStatus, Post, PostImage
from posts.services import create_post
from tests.conftest import UNKNOWN_ID
from tests.posts.conftest import Queues, png, stored_files, upload

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
Capture = Callable[..., Any]

POST_KEYS = {
    *("id", "user_id", "title", "description", "category_id", "tags", "visibility", "caption"),
    *("view_count", "like_count", "comment_count", "created_at", "updated_at"),
    *("user", "category", "images", "isLiked", "isSaved"),
}
IMAGE_KEYS = {
    *("id", "post_id", "image_url", "image_path", "thumbnail_url", "preview_url", "placeholder"),
    *("width", "height", "file_size", "caption", "ai_caption", "user_caption", "ai_status"),
    *("alt_text", "caption_source"),
    *("display_order", "created_at"),
}


def create(client: APIClient, *uploads: Any, **fields: Any) -> Any:
    images = {"images": list(uploads)} if uploads else {}
    return client.post("/api/posts", {**images, **fields}, format="multipart")


def assert_nothing_changed(response: Any, status: int, text: str | None = None) -> None:
    assert response.status_code == status
    body = response.json()
    assert body["success"] is False
    assert body["error"] == body["message"]
    if text is not None:
        assert body["error"] == text
    assert not Post.objects.exists()
    assert not PostImage.objects.exists()
    assert stored_files() == set()


# --- Response and stored rows ---------------------------------------------------------------


def test_the_answer_is_the_whole_post(api: Api, owner: User) -> None:
    category = Category.objects.earliest("name")
    response = create(
        api(owner),
        upload("red"),
        upload("blue"),
        title="At the sea",
        description="Two colours",
        category_id=str(category.pk),
        visibility="friends",
        tags='["sea", "summer"]',
        user_captions='["", "The second"]',
    )
    assert response.status_code == 201
    body = response.json()
    assert body.keys() == {"success", "message", "data"}
    assert (body["success"], body["message"]) == (True, "Post created successfully")
    data = body["data"]
    assert data.keys() == POST_KEYS
    assert data["user"] == {
        "id": str(owner.pk),
        "first_name": "Owner",
        "last_name": "",
        "avatar_url": None,
    }
    assert data["category"] == {
        "id": str(category.pk),
        "name": category.name,
        "slug": category.slug,
    }
    assert (data["title"], data["description"]) == ("At the sea", "Two colours")
    assert (data["tags"], data["visibility"]) == (["sea", "summer"], "friends")
    assert (data["view_count"], data["like_count"], data["comment_count"]) == (0, 0, 0)
    assert data["caption"] is None
    assert [image.keys() for image in data["images"]] == [IMAGE_KEYS, IMAGE_KEYS]
    assert [image["display_order"] for image in data["images"]] == [0, 1]
    assert [image["user_caption"] for image in data["images"]] == [None, "The second"]
    assert {image["post_id"] for image in data["images"]} == {data["id"]}
    assert b"embedding" not in response.content


def test_every_picture_is_stored_with_its_renditions_and_measures(api: Api, owner: User) -> None:
    data = png("red", (900, 600))
    response = create(api(owner), SimpleUploadedFile("x.html", data, "text/html"))
    (image,) = PostImage.objects.all()
    assert (image.width, image.height, image.file_size) == (900, 600, len(data))
    assert len(image.checksum) == 64
    assert image.placeholder.startswith("data:image/webp;base64,")
    assert image.image_path == f"posts/{image.pk}.png"
    assert image.image_url == f"/uploads/posts/{image.pk}.png"
    with default_storage.open(image.image_path) as file:
        assert file.read() == data
    assert stored_files() == {
        f"{image.pk}.png",
        f"{image.pk}.thumbnail.webp",
        f"{image.pk}.preview.webp",
    }
    shown = response.json()["data"]["images"][0]
    assert shown["image_url"] == shown["image_path"] == f"/uploads/posts/{image.pk}.png"
    assert shown["thumbnail_url"] == f"/uploads/posts/{image.pk}.thumbnail.webp"
    assert shown["preview_url"] == f"/uploads/posts/{image.pk}.preview.webp"


def test_the_answer_comes_before_the_ai_and_every_image_is_queued_after_the_commit(
    api: Api, owner: User, queues: Queues, django_capture_on_commit_callbacks: Capture
) -> None:
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        response = create(api(owner), upload("red"), upload("green"), upload("blue"))
        assert queues["embed"] == []
    images = response.json()["data"]["images"]
    assert callbacks
    assert queues["embed"] == [UUID(image["id"]) for image in images]
    assert {image["ai_status"] for image in images} == {"pending"}
    for row in PostImage.objects.all():
        assert (row.ai_status, row.ai_attempts, row.ai_error) == (AIStatus.PENDING, 0, "")
        assert row.ai_queued_at is not None
        assert (row.embedding, row.ai_caption) == (None, None)


def test_ten_pictures_keep_their_order(api: Api, owner: User) -> None:
    sizes = [(10 + n, 10) for n in range(10)]
    files = [SimpleUploadedFile("a.png", png("red", size), "image/png") for size in sizes]
    response = create(api(owner), *files)
    assert response.status_code == 201
    assert [image["width"] for image in response.json()["data"]["images"]] == list(range(10, 20))


# --- Fields with and without values ---------------------------------------------------------


def test_what_the_author_leaves_open_is_noted(api: Api, owner: User) -> None:
    create(api(owner), upload("red"), title="", description="  ", tags="[]", category_id="")
    post = Post.objects.get()
    assert set(post.ai_writable_fields) == {"title", "description", "category", "tags"}
    assert (post.description, post.tags, post.category, post.visibility) == (
        None,
        None,
        None,
        "public",
    )


def test_what_the_author_writes_is_not_open(api: Api, owner: User) -> None:
    category = Category.objects.first()
    create(
        api(owner),
        upload("red"),
        title="T",
        description="D",
        tags="a",
        category_id=str(category.pk),
    )
    assert Post.objects.get().ai_writable_fields == []


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("sunset-over_the  sea.jpg", "sunset over the sea"),
        ("Đà Nẵng.png", "Đà Nẵng"),
        ("IMG_20240102_123456.jpg", "Untitled Post"),
        ("DSC0001.JPG", "Untitled Post"),
        ("Screenshot 2024-01-02 (3).png", "Untitled Post"),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301.png", "Untitled Post"),
        ("image.png", "Untitled Post"),
        ("x" * 300 + ".png", None),
    ],
)
def test_a_title_comes_from_a_telling_file_name_until_the_ai_has_one(
    owner: User, name: str, title: str | None
) -> None:
    post = create_post(author=owner, uploads=[upload("red", name)])
    if title is not None:
        assert post.title == title
    assert 0 < len(post.title) <= 255
    assert "title" in post.ai_writable_fields


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        ('["sea", "summer"]', ["sea", "summer"]),
        ("sea, summer ,, sea", ["sea", "summer"]),
        ('["sea", " sea ", ""]', ["sea"]),
        ('["a, b"]', ["a, b"]),
        ("biển", ["biển"]),
        ("Sunset, sunset,SUNSET", ["Sunset"]),
        ('["#hoàng hôn", " hoàng  hôn ", "Hoa\u0300ng H\u00f4n"]', ["hoàng hôn"]),
        ("##sea,＃sea, # sea ,#", ["sea"]),
        ('["ｓｅａ", "sea", "SEA"]', ["ｓｅａ"]),
        ("má, ma, MÁ", ["má", "ma"]),
        ("C#, c#, ❤️, ❤", ["C#", "❤️"]),
        ("", None),
        ("[]", None),
        (" , ", None),
        ("[" * 100_000, None),
    ],
)
def test_tags_come_as_json_or_comma_separated(
    api: Api, owner: User, written: str, tags: list[str] | None
) -> None:
    response = create(api(owner), upload("red"), tags=written)
    if written.startswith("[["):
        assert_nothing_changed(response, 400)
        return
    assert response.status_code == 201
    assert Post.objects.get().tags == tags
    assert response.json()["data"]["tags"] == tags


@pytest.mark.parametrize(
    ("written", "captions"),
    [
        ('["", "second", " third "]', [None, "second", "third"]),
        ('["first"]', ["first", None, None]),
        ('["1", "2", "3", "4", "5"]', ["1", "2", "3"]),
        ("not json", ["not json", None, None]),
        ("", [None, None, None]),
    ],
)
def test_captions_of_the_author_belong_to_the_images_by_position(
    api: Api, owner: User, written: str, captions: list[str | None]
) -> None:
    files = [upload("red"), upload("green"), upload("blue")]
    assert create(api(owner), *files, user_captions=written).status_code == 201
    assert list(PostImage.objects.values_list("user_caption", flat=True)) == captions


# --- Refused requests -----------------------------------------------------------------------


REFUSED: list[tuple[dict[str, Any], str | None]] = [
    ({"category_id": UNKNOWN_ID}, "The category does not exist"),
    ({"category_id": "7"}, None),
    ({"visibility": "everyone"}, 'visibility: "everyone" is not a valid choice.'),
    ({"title": "x" * 256}, None),
    ({"description": "x" * 10_001}, None),
    ({"title": "a\0b"}, None),
    ({"tags": json.dumps(["x" * 51])}, None),
    ({"tags": json.dumps([str(n) for n in range(31)])}, None),
    ({"tags": json.dumps([{"a": 1}])}, None),
    ({"user_captions": json.dumps(["x" * 2_001])}, None),
]


@pytest.mark.parametrize(("fields", "text"), REFUSED)
def test_a_wrong_field_is_refused_and_nothing_stored(
    api: Api, owner: User, fields: dict[str, Any], text: str | None
) -> None:
    assert_nothing_changed(create(api(owner), upload("red"), **fields), 400, text)


def test_a_post_needs_an_image(api: Api, owner: User) -> None:
    assert_nothing_changed(create(api(owner), title="T"), 400, "At least one image is required")


def test_a_file_in_another_field_is_refused(api: Api, owner: User) -> None:
    response = create(api(owner), upload("red"), image=upload("red"))
    assert_nothing_changed(response, 400, "Unexpected field")


def test_text_where_a_file_belongs_is_no_image(api: Api, owner: User) -> None:
    assert_nothing_changed(create(api(owner), "text"), 400, "At least one image is required")


def test_eleven_images_are_too_many(api: Api, owner: User) -> None:
    response = create(api(owner), *[upload("red") for _ in range(11)])
    assert_nothing_changed(response, 400, "Too many files. Maximum 10 files allowed")


def test_a_file_above_the_limit_is_refused(api: Api, owner: User, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 2 * 1024 * 1024
    large = SimpleUploadedFile("a.png", png("red") + b"\0" * (2 * 1024 * 1024), "image/png")
    response = create(api(owner), large)
    assert_nothing_changed(response, 400, "File size exceeds the maximum limit of 2MB")


@pytest.mark.parametrize("bytes_", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a"])
def test_one_file_that_is_no_picture_refuses_them_all(api: Api, owner: User, bytes_: bytes) -> None:
    broken = SimpleUploadedFile("a.png", bytes_, "image/png")
    assert_nothing_changed(create(api(owner), upload("red"), broken, upload("blue")), 400)


def test_json_instead_of_a_form_is_refused(api: Api, owner: User) -> None:
    response = api(owner).post("/api/posts", {"title": "T"}, format="json")
    assert_nothing_changed(response, 415)


def test_a_token_is_required(api: Api) -> None:
    assert_nothing_changed(create(api(), upload("red"), title="T"), 401)


# --- Failures on the way --------------------------------------------------------------------


def test_a_row_that_the_database_refuses_leaves_no_file(owner: User) -> None:
    with pytest.raises(IntegrityError, match="posts_visibility_valid"):
        create_post(author=owner, uploads=[upload("red"), upload("blue")], visibility="everyone")
    assert not Post.objects.exists()
    assert stored_files() == set()


def test_a_storage_that_fails_leaves_no_row(owner: User, settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "full"
    settings.MEDIA_ROOT.mkdir()
    (settings.MEDIA_ROOT / "posts").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="posts"):
        create_post(author=owner, uploads=[upload("red")])
    assert not Post.objects.exists()


def test_a_storage_that_fails_half_way_leaves_no_file(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = default_storage.save
    saved: list[str] = []

    def full_after_four(name: str, content: Any) -> str:
        if len(saved) == 4:
            raise OSError("No space left on device")
        saved.append(save(name, content))
        return saved[-1]

    monkeypatch.setattr(default_storage, "save", full_after_four, raising=False)
    with pytest.raises(OSError, match="No space left"):
        create_post(author=owner, uploads=[upload("red"), upload("blue")])
    assert len(saved) == 4
    assert stored_files() == set()
    assert not Post.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_post_is_saved_and_waits(api: Api, owner: User, redis_away: None) -> None:
    start = time.monotonic()
    response = create(api(owner), upload("red"), upload("blue"))
    assert response.status_code == 201
    assert time.monotonic() - start < 10  # attempts to connect again would take longer
    assert len(stored_files()) == 6
    for image in PostImage.objects.all():
        assert (image.ai_status, image.ai_queued_at) == (AIStatus.PENDING, None)
    assert PostImage.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_failure_after_the_commit_takes_nothing_away(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are committed: without their files, the post would stay broken."""

    def fail(*_: object) -> None:
        raise RuntimeError("the database went away")

    monkeypatch.setattr("posts.services.queue.enqueue", fail)
    post = create_post(author=owner, uploads=[upload("red")])
    assert Post.objects.get() == post
    assert default_storage.exists(post.images.get().image_path)


def test_a_name_with_a_path_goes_nowhere(api: Api, owner: User) -> None:
    file = io.BytesIO(png("red"))
    file.name = "../../evil.png"
    assert create(api(owner), file).status_code == 201
    (image,) = PostImage.objects.all()
    assert image.image_path == f"posts/{image.pk}.png"
