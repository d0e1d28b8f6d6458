"""The visibility rule on every read, for author, friend, one-way followers and strangers."""

from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Follow, User
from posts.models import Post, PostImage
from posts.visibility import Visibility
from tests.visibility import VISIBILITIES, each_member, each_viewer

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


@pytest.fixture
def posts(new_post: Callable[..., Post]) -> dict[str, Post]:
    return {visibility: new_post(visibility=visibility) for visibility in VISIBILITIES}


@each_viewer()
def test_the_rule_is_the_same_for_posts_and_for_images(
    viewer: User | None, seen: set[str], posts: dict[str, Post]
) -> None:
    posts_seen = Post.objects.visible_to(viewer).values_list("visibility", flat=True)
    assert sorted(posts_seen) == sorted(seen)
    images = PostImage.objects.visible_to(viewer).values_list("post__visibility", flat=True)
    assert sorted(images) == sorted(seen)


@each_member
def test_the_feed_lists_what_the_viewer_sees(
    viewer: User, seen: set[str], posts: dict[str, Post], api: Api
) -> None:
    body = api(viewer).get("/api/posts").json()
    assert {item["visibility"] for item in body["data"]} == seen
    assert body["pagination"]["total"] == len(seen)


@each_member
def test_a_post_is_there_for_whom_it_is_visible_and_else_not_found(
    viewer: User, seen: set[str], posts: dict[str, Post], api: Api
) -> None:
    for visibility, post in posts.items():
        response = api(viewer).get(f"/api/posts/{post.pk}")
        if visibility in seen:
            assert response.status_code == 200
            assert response.json()["data"]["id"] == str(post.pk)
        else:
            assert response.status_code == 404
            assert response.json() == {
                "success": False,
                "error": "Post not found",
                "message": "Post not found",
            }


def test_an_invisible_post_looks_like_one_that_never_was(
    api: Api, stranger: User, posts: dict[str, Post]
) -> None:
    hidden = api(stranger).get(f"/api/posts/{posts['private'].pk}")
    absent = api(stranger).get("/api/posts/3f2504e0-4f89-11d3-9a0c-0305e82c3301")
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)


@each_viewer()
def test_a_file_without_a_signature_is_there_for_whom_its_post_is_visible(
    viewer: User | None, seen: set[str], posts: dict[str, Post]
) -> None:
    client = Client()
    if viewer is not None:
        client.force_login(viewer)
    for visibility, post in posts.items():
        image = post.images.get()
        renditions = (f"posts/{image.pk}.{name}.webp" for name in ("thumbnail", "preview"))
        expected = 200 if visibility in seen else 404
        for file in (image.image_path, *renditions):
            assert client.get(f"/uploads/{file}").status_code == expected, (visibility, file)


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_every_url_that_a_viewer_is_given_opens_without_a_login(
    visibility: str, posts: dict[str, Post], api: Api, owner: User
) -> None:
    """An <img> sends no token."""
    image = api(owner).get(f"/api/posts/{posts[visibility].pk}").json()["data"]["images"][0]
    for key in ("image_url", "image_path", "thumbnail_url", "preview_url"):
        assert ("signature=" in image[key]) == (visibility != "public")
        assert Client().get(image[key]).status_code == 200


def test_friendship_ends_when_one_of_them_goes(
    owner: User, friend: User, posts: dict[str, Post], api: Api
) -> None:
    path = f"/api/posts/{posts['friends'].pk}"
    assert api(friend).get(path).status_code == 200
    Follow.objects.get(follower=owner, following=friend).delete()
    assert api(friend).get(path).status_code == 404


def test_friends_of_a_friend_are_strangers(
    friend: User, stranger: User, posts: dict[str, Post], api: Api
) -> None:
    Follow.objects.create(follower=friend, following=stranger)
    Follow.objects.create(follower=stranger, following=friend)
    assert api(stranger).get(f"/api/posts/{posts['friends'].pk}").status_code == 404


def test_a_member_who_left_sees_nothing_more(
    friend: User, posts: dict[str, Post], api: Api
) -> None:
    client, browser = api(friend), Client()
    browser.force_login(friend)
    friend.is_active = False
    friend.save()
    assert client.get("/api/posts").status_code == 401
    image = posts["friends"].images.get()
    assert browser.get(f"/uploads/{image.image_path}").status_code == 404


def test_posts_of_a_deactivated_member_are_hidden_from_others(
    owner: User,
    friend: User,
    follower: User,
    followed: User,
    stranger: User,
    posts: dict[str, Post],
    api: Api,
) -> None:
    User.objects.filter(pk=owner.pk).update(is_active=False)
    image = posts["public"].images.get()
    for viewer in (friend, follower, followed, stranger, None):
        assert not Post.objects.visible_to(viewer).exists()
        assert not PostImage.objects.visible_to(viewer).exists()
    assert api(friend).get("/api/posts").json()["pagination"]["total"] == 0
    assert api(friend).get(f"/api/posts/{posts['public'].pk}").status_code == 404
    assert Client().get(f"/uploads/{image.image_path}").status_code == 404
    assert Post.objects.visible_to(owner).count() == len(VISIBILITIES)
    User.objects.filter(pk=owner.pk).update(is_active=True)
    assert Client().get(f"/uploads/{image.image_path}").status_code == 200


def test_comments_of_deactivated_members_are_not_listed(
    friend: User, stranger: User, posts: dict[str, Post], api: Api
) -> None:
    path = f"/api/posts/{posts['public'].pk}/comments"
    for user in (friend, stranger):
        api(user).post(path, {"content": user.first_name}, format="json")
    User.objects.filter(pk=friend.pk).update(is_active=False)
    assert [comment["content"] for comment in api(stranger).get(path).json()["data"]] == [
        "Stranger"
    ]


def test_the_database_knows_no_other_visibility() -> None:
    assert set(Visibility.values) == set(VISIBILITIES)
