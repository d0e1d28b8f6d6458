"""The warning about pictures that were posted before, without revealing invisible posts."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import User
from ai.demo_models.drawing import draw_scene
from ai.demo_models.scenes import choose_demo_scenes
from posts.models import Post, PostImage
from posts.phash import BAND_MASKS
from posts.services import create_post
from tests.conftest import PASSWORD
from tests.media.test_images import encoded
from tests.visibility import VISIBILITIES, each_member

pytestmark = pytest.mark.django_db

Api = Callable[..., APIClient]
SCENE = choose_demo_scenes(1)[0]
DRAWING = draw_scene(SCENE, 600)
FILE = encoded(DRAWING, "JPEG", quality=90)
COPIES = {
    "as another format": encoded(DRAWING, "WEBP", quality=60),
    "half as large": encoded(DRAWING.resize((300, 225)), "JPEG", quality=80),
    "darker": encoded(DRAWING.point(lambda value: int(value * 0.85)), "PNG"),
}


def file(data: bytes = FILE) -> SimpleUploadedFile:
    return SimpleUploadedFile("a.jpg", data, "image/jpeg")


def post_drawing(author: User, data: bytes = FILE, **fields: Any) -> Post:
    return create_post(author=author, uploads=[file(data)], **fields)


def check(client: APIClient, *pictures: bytes, **form: Any) -> list[list[dict[str, Any]]]:
    body = {"images": [file(data) for data in pictures], **form}
    response = client.post("/api/posts/check-duplicates", body, format="multipart")
    assert response.status_code == 200, response.content
    return [each["duplicates"] for each in response.json()["data"]]


def test_the_same_file_and_copies_of_it_are_found(api: Api, owner: User) -> None:
    post = post_drawing(owner, title="Mine")
    exact, *near = check(api(owner), FILE, *COPIES.values())
    assert [(each["kind"], each["own"], each["post_id"]) for each in exact] == [
        ("exact", True, str(post.pk))
    ]
    for name, found in zip(COPIES, near, strict=True):
        assert [(each["kind"], each["post_id"]) for each in found] == [("near", str(post.pk))], name
    assert exact[0]["title"] == "Mine"
    assert exact[0]["image"]["thumbnail_url"].endswith(".thumbnail.webp")


def test_other_pictures_are_not_taken_for_copies(api: Api, owner: User) -> None:
    post_drawing(owner)
    create_post(author=owner, uploads=[file(encoded(Image.new("RGB", (90, 60), "red"), "PNG"))])
    others = [draw_scene(scene, 480) for scene in choose_demo_scenes(4)[1:]]
    others.append(draw_scene(replace(SCENE, seed=SCENE.seed + 1), 480))
    others.append(Image.new("RGB", (90, 60), "blue"))
    assert check(api(owner), *[encoded(picture, "PNG") for picture in others]) == [[]] * 5


def test_a_rendition_with_the_checksum_of_its_file_finds_the_file(api: Api, owner: User) -> None:
    post = post_drawing(owner)
    checksum = PostImage.objects.get(post=post).checksum
    small = COPIES["half as large"]
    (found,) = check(api(owner), small, checksums=json.dumps([checksum]))
    assert [each["kind"] for each in found] == ["exact"]
    (found,) = check(api(owner), small, checksums=json.dumps([""]))
    assert [each["kind"] for each in found] == ["near"]


def test_own_posts_come_first_then_the_same_file_then_the_newest(
    api: Api, owner: User, stranger: User
) -> None:
    posts = [
        post_drawing(stranger, COPIES["darker"]),
        post_drawing(stranger),
        post_drawing(owner, COPIES["darker"], visibility="private"),
    ]
    (found,) = check(api(owner), FILE)
    assert [each["post_id"] for each in found] == [str(post.pk) for post in reversed(posts)]
    assert [each["own"] for each in found] == [True, False, False]


@each_member
def test_what_one_may_not_see_is_as_if_it_were_not_there(
    viewer: User, seen: set[str], api: Api, owner: User
) -> None:
    for visibility in VISIBILITIES:
        post_drawing(owner, title=visibility, visibility=visibility)
    client = api(viewer)
    for (found,) in (check(client, FILE), check(client, COPIES["darker"])):
        assert {each["title"] for each in found} == seen


def test_a_hidden_picture_answers_as_none_at_all(api: Api, owner: User, stranger: User) -> None:
    empty = check(api(stranger), FILE)
    post = post_drawing(owner, visibility="private")
    assert check(api(stranger), FILE) == empty == [[]]
    Post.objects.filter(pk=post.pk).update(visibility="public")
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert check(api(stranger), FILE) == [[]]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "At least one image is required"),
        ({"other": b"x"}, "Unexpected field"),
        ({"images": b"no picture"}, "The file is not a readable image"),
        ({"images": FILE, "checksums": '["yes"]'}, "does not match the required pattern"),
    ],
)
def test_bad_requests_are_refused_with_a_reason(
    form: dict[str, Any], error: str, api: Api, owner: User
) -> None:
    body = {name: file(each) if isinstance(each, bytes) else each for name, each in form.items()}
    response = api(owner).post("/api/posts/check-duplicates", body, format="multipart")
    assert response.status_code == 400
    assert error in response.json()["error"]


def test_a_visitor_may_not_ask(api: Api) -> None:
    body = {"images": file()}
    assert api().post("/api/posts/check-duplicates", body, format="multipart").status_code == 401


def test_posting_again_stays_possible_for_programs(api: Api, owner: User) -> None:
    post_drawing(owner)
    response = api(owner).post("/api/posts", {"images": file()}, format="multipart")
    assert response.status_code == 201
    assert "duplicates" not in response.json()["data"]


def test_copies_are_found_in_the_indexes_not_by_reading_all_images(owner: User) -> None:
    post = post_drawing(owner)
    (image,) = PostImage.objects.filter(post=post)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO post_images (id, post_id, image_url, image_path, checksum, placeholder,"
            " perceptual_hash, display_order, created_at, embedding_model, next_embedding_model,"
            " caption_model, ai_status, ai_error, ai_attempts)"
            " SELECT gen_random_uuid(), %s, '', '', md5(n::text), '', hashint8extended(n, 0), n,"
            " now(), '', '', '', 'done', '', 0 FROM generate_series(1, 20000) n",
            [post.pk],
        )
        cursor.execute("ANALYZE post_images")
    found = PostImage.objects.near_duplicates(image.checksum, image.perceptual_hash)
    plan = found.explain()
    assert "Seq Scan on post_images" not in plan
    assert all(f"idx_post_images_hash_{n}" in plan for n in (1, 2, 3, 4))
    assert "idx_post_images_checksum" in plan
    assert image in found


def test_a_hash_with_seven_other_bits_is_near_and_with_eight_is_not(owner: User) -> None:
    (image,) = PostImage.objects.filter(post=post_drawing(owner))
    value = image.perceptual_hash or 0
    seven = sum(1 << bit for bit in (0, 1, 17, 18, 33, 34, 49))
    assert image in PostImage.objects.near_duplicates("", value ^ seven)
    assert image not in PostImage.objects.near_duplicates("", value ^ seven ^ 1 << 50)
    assert image not in PostImage.objects.near_duplicates("", None)
    assert len(BAND_MASKS) == 17


# --- The page, without scripts ----------------------------------------------------------------


@pytest.fixture
def browser(client: Client, owner: User) -> Client:
    assert client.login(username=owner.email, password=PASSWORD)
    return client


def test_the_form_comes_back_with_the_date_and_a_box_to_confirm(
    browser: Client, owner: User
) -> None:
    post = post_drawing(owner, title="Sunset")
    Post.objects.filter(pk=post.pk).update(created_at=timezone.now() - timedelta(days=400))
    response = browser.post("/upload", {"images": file(), "title": "Again"})
    page = response.content.decode()
    assert response.status_code == 400
    assert "You posted this picture on" in page
    assert f'href="/post/{post.pk}"' in page
    assert 'name="anyway"' in page
    assert 'value="Again"' in page
    assert Post.objects.count() == 1


def test_the_confirmed_form_posts_it_again(browser: Client, owner: User) -> None:
    post_drawing(owner)
    response = browser.post("/upload", {"images": file(), "anyway": "1"})
    assert response.status_code == 302
    assert Post.objects.count() == 2


def test_a_new_picture_is_posted_without_a_question(browser: Client, stranger: User) -> None:
    post_drawing(stranger, visibility="private")
    assert browser.post("/upload", {"images": file()}).status_code == 302
    stored = PostImage.objects.get(post__user__email="owner@example.test")
    assert stored.file_size == len(FILE)


def test_another_members_picture_is_named_as_theirs(browser: Client, stranger: User) -> None:
    post_drawing(stranger, COPIES["darker"])
    page = browser.post("/upload", {"images": file()}).content.decode()
    assert "<bdi>Stranger</bdi> posted a picture that looks like this one on" in page
