"""Lists of posts: visibility, order, pages, and a constant number of queries."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import Category, User
from posts.models import Like, Post, PostImage, SavedPost
from tests.posts.rows import invalid, make_post

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]

ITEM = {
    *("id", "user_id", "title", "description", "category_id", "tags", "visibility", "caption"),
    *("view_count", "like_count", "comment_count", "created_at", "updated_at"),
    *("user", "category", "image", "isLiked", "isSaved"),
}


def fetch(client: APIClient, path: str, **query: Any) -> dict[str, Any]:
    response = client.get(f"/api/{path}", query)
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


def titles(client: APIClient, path: str = "posts", **query: Any) -> list[str]:
    return [item["title"] for item in fetch(client, path, **query)["data"]]


class TestFeed:
    def test_items_have_all_that_a_card_shows(self, api: Api, owner: User, stranger: User) -> None:
        travel = Category.objects.get(slug="travel")
        post = make_post(owner, images=3, category=travel, tags=["biển"])
        Like.objects.create(user=stranger, post=post)
        body = fetch(api(stranger), "posts")
        assert body["pagination"] == {"page": 1, "limit": 20, "total": 1, "totalPages": 1}
        assert body.keys() == {"success", "data", "pagination"}
        item = body["data"][0]
        assert item.keys() == ITEM
        assert item["user"].keys() == {"id", "first_name", "last_name", "avatar_url"}
        assert item["category"] == {"id": str(travel.pk), "name": travel.name, "slug": "travel"}
        assert item["image"]["image_url"] == "https://example.test/0.jpg"
        assert "embedding" not in item["image"]
        assert (item["isLiked"], item["isSaved"]) == (True, False)
        assert fetch(api(owner), "posts")["data"][0]["isLiked"] is False

    def test_followed_members_come_first_and_the_newest_of_each(
        self, api: Api, owner: User, follower: User, stranger: User
    ) -> None:
        for author, age in ((owner, 9), (stranger, 1), (owner, 8), (stranger, 7), (follower, 3)):
            make_post(author, title=f"{author.first_name} {age}", age=age)
        expected = ["Owner 8", "Owner 9", "Stranger 1", "Follower 3", "Stranger 7"]
        assert titles(api(follower)) == expected
        paged = [titles(api(follower), page=page, limit=2) for page in (1, 2, 3, 4)]
        assert paged == [expected[:2], expected[2:4], expected[4:], []]
        straddling = [titles(api(follower), page=page, limit=3) for page in (1, 2)]
        assert straddling == [expected[:3], expected[3:]]

    def test_holds_what_the_viewer_may_see(
        self, api: Api, owner: User, friend: User, follower: User, stranger: User
    ) -> None:
        for visibility in ("public", "friends", "private"):
            make_post(owner, title=visibility, visibility=visibility)
        assert set(titles(api(owner))) == {"public", "friends", "private"}
        assert set(titles(api(friend))) == {"public", "friends"}
        for viewer in (follower, stranger):
            assert titles(api(viewer)) == ["public"]
            assert fetch(api(viewer), "posts")["pagination"]["total"] == 1

    @pytest.mark.parametrize("name", ["categoryId", "category_id"])
    def test_by_category(self, api: Api, owner: User, name: str) -> None:
        food, art = Category.objects.get(slug="food"), Category.objects.get(slug="art")
        make_post(owner, title="Phở", category=food)
        make_post(owner, title="Tranh", category=art)
        make_post(owner, title="None")
        assert titles(api(owner), **{name: str(food.pk)}) == ["Phở"]
        assert titles(api(owner), **{name: str(uuid4())}) == []
        assert len(titles(api(owner), **{name: ""})) == 3

    @pytest.mark.parametrize("query", [{"categoryId": "food"}, {"category_id": "1"}])
    def test_refuses_a_malformed_category(self, api: Api, owner: User, query: Any) -> None:
        invalid(api(owner).get("/api/posts", query), 400, "Failed to fetch posts")

    def test_posts_of_the_same_moment_are_never_listed_twice(self, api: Api, owner: User) -> None:
        for n in range(7):
            make_post(owner, title=str(n))
        Post.objects.update(created_at=Post.objects.earliest("created_at").created_at)
        seen = [title for page in (1, 2, 3, 4) for title in titles(api(owner), page=page, limit=2)]
        assert sorted(seen) == list("0123456")

    @pytest.mark.parametrize(
        ("query", "page", "limit"),
        [
            ({"page": "0", "limit": "0"}, 1, 1),
            ({"page": "-3", "limit": "-1"}, 1, 1),
            ({"page": "x", "limit": ""}, 1, 20),
            ({"limit": "100000"}, 1, 100),
            ({"page": "9" * 30}, 10_000, 20),
        ],
    )
    def test_clamps_odd_pages(
        self, api: Api, owner: User, query: Any, page: int, limit: int
    ) -> None:
        make_post(owner)
        pagination = fetch(api(owner), "posts", **query)["pagination"]
        assert (pagination["page"], pagination["limit"]) == (page, limit)


class TestSearchByWords:
    @pytest.fixture
    def found(self, api: Api, owner: User, member: Callable[..., User]) -> Callable[..., Any]:
        author = member("Nguyệt", last_name="Đỗ")
        post = make_post(
            author,
            title="Hạ Long",
            description="Sáng sớm trên vịnh",
            tags=["biển xanh", "100%"],
            category=Category.objects.get(slug="travel"),
        )
        PostImage.objects.filter(post=post).update(
            ai_caption="a boat on the water", user_caption="Thuyền buồm"
        )
        make_post(owner, title="Something else")
        hidden = make_post(owner, title="Hidden boat", visibility="private")
        client = api(member("Viewer"))

        def search(words: str) -> bool:
            found = titles(client, search=words)
            assert hidden.title not in found
            return found == [post.title]

        return search

    @pytest.mark.parametrize(
        "words",
        [
            *("hạ long", "HA LONG", "sáng", "sang som", "biển", "bien", "boat", "water boat"),
            *("thuyen", "nguyet do", "Đỗ", "du lịch", "lon", "ha\u0323 long", "100%", "100"),
        ],
    )
    def test_finds_it_by(self, found: Callable[..., bool], words: str) -> None:
        assert found(words)

    @pytest.mark.parametrize(
        "words",
        [
            *("dog", "%", "_", "hạ & dog", "boat') OR 7=7 --", "\\", "':*", "x" * 900, "ʼ½ ß"),
            *("boat,title.ilike.*", "long:*&!dog"),
        ],
    )
    def test_finds_nothing_by(self, found: Callable[..., bool], words: str) -> None:
        assert not found(words)

    def test_goes_with_a_category(self, api: Api, owner: User) -> None:
        food = Category.objects.get(slug="food")
        make_post(owner, title="Boat one", category=food)
        make_post(owner, title="Boat two")
        assert titles(api(owner), search="boat", categoryId=str(food.pk)) == ["Boat one"]

    def test_a_blank_search_is_none(self, api: Api, owner: User) -> None:
        make_post(owner)
        assert len(titles(api(owner), search="")) == 1


@pytest.mark.parametrize(("path", "model"), [("liked", Like), ("saved", SavedPost)])
class TestFavorites:
    def test_newest_first_by_when_they_were_chosen(
        self, api: Api, owner: User, stranger: User, path: str, model: Any
    ) -> None:
        posts = [make_post(owner, title=str(n), age=n) for n in range(3)]
        for n in (1, 0, 2):
            model.objects.create(user=owner, post=posts[n])  # of another member, so not listed
        for n in (2, 0, 1):
            model.objects.create(user=stranger, post=posts[n])
        assert titles(api(stranger), f"posts/{path}") == ["1", "0", "2"]
        body = fetch(api(stranger), f"posts/{path}")
        flag = "isLiked" if model is Like else "isSaved"
        assert all(item[flag] for item in body["data"])
        assert body["pagination"] == {"page": 1, "limit": 100, "total": 3, "totalPages": 1}
        assert titles(api(stranger), f"posts/{path}", page=2, limit=2) == ["2"]
        assert titles(api(stranger), f"posts/{path}", page=9) == []

    def test_leaves_out_what_has_become_invisible(
        self, api: Api, owner: User, stranger: User, path: str, model: Any
    ) -> None:
        model.objects.create(user=stranger, post=make_post(owner, visibility="private"))
        body = fetch(api(stranger), f"posts/{path}")
        assert body["data"] == []
        assert body["pagination"]["total"] == 0

    def test_is_for_members(self, api: Api, path: str, model: Any) -> None:
        assert api().get(f"/api/posts/{path}").status_code == 401


class TestPostsOfAMember:
    def test_newest_first_and_only_the_visible(self, api: Api, owner: User, stranger: User) -> None:
        for age, visibility in ((3, "public"), (1, "public"), (2, "private")):
            make_post(owner, title=str(age), age=age, visibility=visibility)
        make_post(stranger)
        assert titles(api(stranger), f"posts/user/{owner.pk}") == ["1", "3"]
        assert titles(api(owner), f"posts/user/{owner.pk}") == ["1", "2", "3"]

    def test_a_malformed_id(self, api: Api, owner: User) -> None:
        invalid(api(owner).get("/api/posts/user/x"), 400, "Failed to fetch posts")


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("posts", 4),  # the member, followed members, posts, images; a single page needs no count
        ("posts?search=post", 5),  # and the folded words
        ("posts/liked", 4),
        ("posts/saved", 4),
        ("posts/user/{owner}", 5),
    ],
)
@pytest.mark.parametrize("number", [3, 12])
def test_as_many_queries_for_many_posts_as_for_few(
    api: Api,
    owner: User,
    stranger: User,
    path: str,
    queries: int,
    number: int,
    django_assert_num_queries: Any,
) -> None:
    for _ in range(number):
        post = make_post(owner, images=2, category=Category.objects.first())
        Like.objects.create(user=stranger, post=post)
        SavedPost.objects.create(user=stranger, post=post)
    client = api(stranger)
    with django_assert_num_queries(queries):
        response = client.get(f"/api/{path.format(owner=owner.pk)}")
    assert len(response.json()["data"]) == number
