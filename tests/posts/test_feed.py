"""The feed: newest first, in pages, with a constant number of queries."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from posts.models import Post, PostImage
from posts.services import create_post
from tests.posts.conftest import upload
from tests.posts.test_create_post import IMAGE_KEYS, POST_KEYS

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
NewPost = Callable[..., Post]


@pytest.fixture
def rows(owner: User) -> Callable[..., list[Post]]:
    """Posts as rows, an hour apart, the newest last, each with images without files."""

    def make(count: int, images: int = 1, **fields: Any) -> list[Post]:
        now = timezone.now()
        posts = Post.objects.bulk_create(
            Post(user=owner, title=f"Post {n}", **fields) for n in range(count)
        )
        for n, post in enumerate(posts):
            created_at = now - timedelta(hours=count - n)
            Post.objects.filter(pk=post.pk).update(created_at=created_at)
            PostImage.objects.bulk_create(
                PostImage(
                    post=post,
                    image_url=f"https://images.example/{n}/{order}.jpg",
                    image_path="",
                    display_order=order,
                    embedding=[1.0] + [0.0] * 511,
                )
                for order in reversed(range(images))
            )
        return posts

    return make


def feed(client: APIClient, **query: Any) -> dict[str, Any]:
    response = client.get("/api/posts", query)
    assert response.status_code == 200
    return response.json()


def test_an_item_is_exactly_what_the_contract_says(
    api: Api, stranger: User, owner: User, new_post: NewPost
) -> None:
    post = new_post("red", "blue", title="At the sea", tags=["sea"], user_captions=["", "Second"])
    body = feed(api(stranger))
    assert body.keys() == {"success", "data", "pagination"}
    assert body["pagination"] == {"page": 1, "limit": 20, "total": 1, "totalPages": 1}
    (item,) = body["data"]
    assert item.keys() == POST_KEYS - {"images"} | {"image"}
    assert item["image"].keys() == IMAGE_KEYS
    assert item["id"] == str(post.pk)
    assert item["user_id"] == item["user"]["id"] == str(owner.pk)
    assert item["category"] is None
    assert item["image"]["display_order"] == 0
    assert item["created_at"] == post.created_at.isoformat().replace("+00:00", "Z")


def test_no_vector_is_read_or_sent(api: Api, owner: User, rows: Callable[..., Any]) -> None:
    rows(2)
    client = api(owner)
    with CaptureQueriesContext(connection) as queries:
        assert "embedding" not in str(feed(client))
    assert not any('"embedding"' in query["sql"] for query in queries)


def test_the_newest_come_first_in_pages(api: Api, owner: User, rows: Callable[..., Any]) -> None:
    rows(7)
    titles = []
    for page in (1, 2, 3):
        body = feed(api(owner), page=page, limit=3)
        assert body["pagination"] == {"page": page, "limit": 3, "total": 7, "totalPages": 3}
        titles += [item["title"] for item in body["data"]]
    assert titles == [f"Post {n}" for n in range(6, -1, -1)]


def test_posts_of_the_same_moment_come_once_each(
    api: Api, owner: User, rows: Callable[..., Any]
) -> None:
    posts = rows(6)
    Post.objects.update(created_at=timezone.now())
    found = [feed(api(owner), page=page, limit=2)["data"] for page in (1, 2, 3)]
    assert {item["id"] for page in found for item in page} == {str(post.pk) for post in posts}


def test_a_page_past_the_end_is_empty(api: Api, owner: User, rows: Callable[..., Any]) -> None:
    rows(2)
    body = feed(api(owner), page=9)
    assert body["data"] == []
    assert body["pagination"] == {"page": 9, "limit": 20, "total": 2, "totalPages": 1}


def test_an_empty_feed_has_no_page(api: Api, owner: User) -> None:
    body = feed(api(owner))
    assert body["data"] == []
    assert body["pagination"] == {"page": 1, "limit": 20, "total": 0, "totalPages": 0}


def test_odd_numbers_are_clamped(api: Api, owner: User, rows: Callable[..., Any]) -> None:
    rows(2)
    assert feed(api(owner), page="-1", limit="0")["pagination"]["page"] == 1
    assert feed(api(owner), page="x", limit="9999")["pagination"]["limit"] == 100


def test_the_image_is_the_first_in_the_authors_order(
    api: Api, owner: User, rows: Callable[..., Any]
) -> None:
    rows(1, images=3)
    (item,) = feed(api(owner))["data"]
    assert item["image"]["display_order"] == 0
    assert item["image"]["image_url"] == "https://images.example/0/0.jpg"


def test_an_image_from_elsewhere_keeps_its_url_in_every_size(
    api: Api, owner: User, rows: Callable[..., Any]
) -> None:
    rows(1, visibility="private")
    image = feed(api(owner))["data"][0]["image"]
    urls = {image["image_url"], image["thumbnail_url"], image["preview_url"]}
    assert urls == {"https://images.example/0/0.jpg"}


def test_a_post_without_an_image_is_no_obstacle(api: Api, owner: User) -> None:
    Post.objects.create(user=owner, title="Bare")
    assert feed(api(owner))["data"][0]["image"] is None


def test_a_full_page_takes_as_many_queries_as_one_post(
    api: Api, owner: User, rows: Callable[..., Any]
) -> None:
    client = api(owner)
    rows(2)
    feed(client, limit=1)  # caches the count of public posts
    with CaptureQueriesContext(connection) as one:
        feed(client, limit=1)
    rows(30, images=4, visibility="friends")
    with CaptureQueriesContext(connection) as many:
        assert len(feed(client, limit=31)["data"]) == 31
    assert len(many) == len(one) == 5  # the member, followed members, posts, images, the total


def test_the_last_page_needs_no_counting(
    api: Api, owner: User, rows: Callable[..., Any], django_assert_num_queries: Any
) -> None:
    rows(3)
    with django_assert_num_queries(4):
        last = feed(api(owner), page=2, limit=2)
    assert last["pagination"] == {"page": 2, "limit": 2, "total": 3, "totalPages": 2}


def test_the_total_is_right_at_once_after_every_change_of_posts(
    api: Api, owner: User, stranger: User, django_capture_on_commit_callbacks: Any
) -> None:
    """Although the count of public posts is cached."""

    def totals() -> list[int]:
        return [feed(api(who), limit=1)["pagination"]["total"] for who in (owner, stranger)]

    def changed(request: Callable[[], Any]) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return request()

    posts = [changed(lambda: create_post(author=owner, uploads=[upload("red")])) for _ in range(4)]
    assert totals() == [4, 4]
    changed(lambda: create_post(author=owner, uploads=[upload("red")], visibility="private"))
    assert totals() == [5, 4]
    path = f"/api/posts/{posts[0].pk}"
    hide = {"visibility": "private"}
    assert changed(lambda: api(owner).put(path, hide, format="json")).status_code == 200
    assert totals() == [5, 3]
    assert changed(lambda: api(owner).delete(f"/api/posts/{posts[1].pk}")).status_code == 200
    assert totals() == [4, 2]


def test_without_redis_the_total_is_counted(
    api: Api, owner: User, rows: Callable[..., Any], redis_away: None
) -> None:
    rows(3)
    assert feed(api(owner), limit=1)["pagination"]["total"] == 3


def test_a_post_with_ten_images_takes_as_many_queries_as_with_one(
    api: Api, owner: User, rows: Callable[..., Any]
) -> None:
    client = api(owner)
    counts = []
    for images in (1, 10):
        (post,) = rows(1, images=images)
        with CaptureQueriesContext(connection) as queries:
            response = client.get(f"/api/posts/{post.pk}")
        assert len(response.json()["data"]["images"]) == images
        counts.append(len(queries))
    assert counts == [3, 3]  # the member, the post, its images
