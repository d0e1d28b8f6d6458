"""The admin page of duplicate images."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from posts import duplicate_groups as pages
from posts.duplicate_groups import find_duplicate_groups
from posts.models import Post, PostImage

pytestmark = pytest.mark.django_db
HASH = 0x0123_4567_89AB_CDEF


@pytest.fixture
def image(owner: User) -> Callable[..., PostImage]:
    """`image(hash, checksum)`: an image of its own post, older than the previous one."""
    made = 0

    def make(perceptual_hash: int | None = None, checksum: str = "", **fields: Any) -> PostImage:
        nonlocal made
        made += 1
        post = Post.objects.create(**{"user": owner, "title": f"Post {made}", **fields})
        new = PostImage.objects.create(
            post=post,
            image_url=f"https://a.example/{made}.jpg",
            perceptual_hash=perceptual_hash,
            checksum=checksum,
        )
        moment = timezone.now() - timedelta(minutes=made)
        PostImage.objects.filter(pk=new.pk).update(created_at=moment)
        return new

    return make


def shown(groups: list[pages.DuplicateGroup]) -> list[tuple[list[str], bool]]:
    return [([image.post.title for image in group.images], group.exact) for group in groups]


def test_the_same_files_and_like_pictures_are_grouped_newest_first(
    image: Callable[..., PostImage],
) -> None:
    image(HASH, "a")
    image(-5, "b")
    image(HASH ^ 0b111, "c")
    image(None, "d")
    image(None, "d")
    image(None, "")
    image(None, "")
    groups, after = find_duplicate_groups()
    assert shown(groups) == [(["Post 1", "Post 3"], False), (["Post 4", "Post 5"], True)]
    assert after is None


def test_pages_go_on_where_the_last_one_ended_and_repeat_no_group(
    image: Callable[..., PostImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("BATCH_SIZE", 2), ("MAX_BATCHES", 2), ("GROUPS_PER_PAGE", 1)):
        monkeypatch.setattr(pages, name, number)
    for checksum in ("a", "x", "b", "a", "b", "y", "c", "c", "z"):
        image(None, checksum)
    found, after, count = [], None, 0
    while True:
        groups, after = find_duplicate_groups(after)
        found += [titles for titles, _ in shown(groups)]
        count += 1
        if after is None:
            break
    assert found == [["Post 1", "Post 4"], ["Post 3", "Post 5"], ["Post 7", "Post 8"]]
    assert count > 2


def test_a_page_costs_the_same_number_of_queries_whatever_it_shows(
    image: Callable[..., PostImage], django_assert_max_num_queries: Any
) -> None:
    for n in range(30):
        image(HASH + n // 3 * 0x9E37_79B9_7F4A, f"{n // 3}")
    with django_assert_max_num_queries(3):
        groups, _ = find_duplicate_groups()
        assert [group.images[0].post.user.full_name for group in groups]
    assert len(groups) == 10


def test_repetitions_are_looked_up_in_the_indexes(image: Callable[..., PostImage]) -> None:
    post = image(HASH, "a").post
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
        with CaptureQueriesContext(connection) as queries:
            pages.find_duplicate_groups()
        cursor.execute("EXPLAIN " + queries[0]["sql"])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan on post_images" not in plan
    for n in (1, 2, 3, 4):
        assert f"idx_post_images_hash_{n}" in plan
    assert "idx_post_images_checksum" in plan
    assert "idx_post_images_created_at" in plan


def test_only_staff_can_see_the_page(
    client: Client, member: Callable[..., User], stranger: User, image: Callable[..., PostImage]
) -> None:
    image(HASH, "a", title="Sunset", visibility="private")
    image(HASH, "a", title="Sunset again")
    path = "/admin/posts/postimage/duplicates/"
    assert client.get(path).status_code == 302
    client.force_login(stranger)
    assert client.get(path).status_code == 302
    client.force_login(member("Helper", is_staff=True))
    assert client.get(path).status_code == 403
    client.force_login(member("Admin", is_staff=True, is_superuser=True))
    page = client.get(path).content.decode()
    assert "2 images with the same file" in page
    assert "Sunset again" in page
    assert path in client.get("/admin/posts/postimage/").content.decode()
    assert client.get(f"{path}?after=nonsense").status_code == 200
