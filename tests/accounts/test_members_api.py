"""Searching for members and following them over HTTP."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Follow, User
from notifications.models import Notification

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
Member = Callable[..., User]


def search(client: APIClient, query: str) -> list[str]:
    response = client.get("/api/users/search", {"q": query})
    assert response.status_code == 200
    return [user["first_name"] for user in response.json()["data"]]


class TestSearch:
    def test_by_a_part_of_the_name_or_the_whole_email(self, member: Member, api: Api) -> None:
        linh = member("Linh", last_name="Nguyễn")
        member("Mai", last_name="Trần", email="secret.linh@example.test")
        client = api(linh)
        assert search(client, "LIN") == ["Linh"]
        assert search(client, "linh ngu") == ["Linh"]
        assert search(client, "Secret.Linh@example.test") == ["Mai"]
        assert search(client, "secret") == []  # parts would reveal the e-mail step by step
        assert search(client, "%") == []
        assert search(client, "_") == []
        assert search(client, "x,email.eq.(") == []
        assert search(client, "linh\0") == ["Linh"]

    @pytest.mark.parametrize(
        "query",
        [
            *("Tran", "trần", "TRẦN", "Tra\u0302\u0300n", "Minh  Trần", "Trần Minh", "tran, minh"),
            *("  minh\ttran ", "ran mi", "MINH TRAN", "Ｔｒａｎ"),
        ],
    )
    def test_by_name_in_any_spelling_and_order(self, member: Member, api: Api, query: str) -> None:
        member("Minh", last_name="Trần")
        member("Minh", last_name="Lê", email="le@example.test")
        member("An", last_name="Trang")
        assert "Minh" in search(api(member("Searcher")), query)
        assert len(User.objects.named(f"{query} minh")) == 1

    @pytest.mark.parametrize(
        ("first_name", "last_name", "query"),
        [
            ("Đặng", "Ðức", "duc dang"),
            ("Søren", "Łukasz", "lukasz soren"),
            ("山田", "太郎", "郎 山田"),
            ("김", "민준", "민준 김"),
            ("Lan 🌸", "", "🌸"),
            ("สมชาย", "", "ชาย"),
            ("O'Neill", "Jean-Luc", "neill luc"),
        ],
    )
    def test_by_names_of_any_script(
        self, member: Member, api: Api, first_name: str, last_name: str, query: str
    ) -> None:
        member(first_name, last_name=last_name)
        member("Other")
        assert search(api(member("Searcher")), query) == [first_name]

    def test_any_name_can_be_stored_and_none_is_found_by_punctuation(
        self, member: Member, api: Api
    ) -> None:
        longest = "".join(chr(0x4E00 + number) for number in range(100))
        names = ("\ufdfa" * 100, "a" * 100, longest, "' \\ : & | ! ( )", "?!")
        for number, name in enumerate(names):
            member(name, last_name=name, email=f"{number}@example.test")
        client = api(member("Searcher"))
        assert search(client, "?!") == []
        assert search(client, longest[40:60]) == [longest]
        assert len(search(client, "a" * 100)) == 1

    def test_the_index_is_used(self, member: Member) -> None:
        member("Minh", last_name="Trần")
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        assert "idx_users_name_parts" in User.objects.named("tran minh").explain()

    def test_cards_hold_nothing_private(self, member: Member, api: Api) -> None:
        user = member("Linh", phone="0912345678", date_of_birth="1999-12-31")
        response = api(user).get("/users/search?q=linh")
        card = {"id", "first_name", "last_name", "avatar_url", "bio", "job"}
        assert response.json()["data"][0].keys() == card

    def test_the_deactivated_are_not_found_and_twenty_are_enough(
        self, member: Member, api: Api, owner: User
    ) -> None:
        member("Gone", is_active=False)
        for number in range(25):
            member(f"Many{number:02}")
        assert search(api(owner), "gone") == []
        assert search(api(owner), "many") == [f"Many{number:02}" for number in range(20)]

    @pytest.mark.parametrize("query", ["", "?q=", "?q=%20", "?q=%00"])
    def test_a_query_is_required(self, owner: User, api: Api, query: str) -> None:
        response = api(owner).get(f"/api/users/search{query}")
        assert response.status_code == 400
        assert response.json()["error"] == "Search query is required"


class TestFollowing:
    def test_following_twice_succeeds_twice_and_notifies_once(
        self, owner: User, stranger: User, api: Api
    ) -> None:
        for _ in range(2):
            response = api(stranger).post(f"/api/users/{owner.pk}/follow")
            assert response.status_code == 200
            assert response.json() == {
                "success": True,
                "message": "Followed successfully",
                "data": None,
            }
        assert Follow.objects.count() == 1
        notification = Notification.objects.get()
        assert (notification.user, notification.related_user, notification.type) == (
            owner,
            stranger,
            "follow",
        )
        assert notification.content == "Stranger started following you"
        assert notification.post_id is None

    def test_unfollowing_retracts_the_notification(
        self, owner: User, stranger: User, api: Api
    ) -> None:
        client = api(stranger)
        client.post(f"/users/{owner.pk}/follow")
        for _ in range(2):
            response = client.delete(f"/users/{owner.pk}/follow")
            assert response.status_code == 200
            assert response.json()["message"] == "Unfollowed successfully"
        assert not Follow.objects.exists()
        assert not Notification.objects.exists()

    def test_a_stranger_undoes_only_their_own_follow(
        self, owner: User, friend: User, stranger: User, api: Api
    ) -> None:
        api(stranger).delete(f"/users/{owner.pk}/follow")
        APIClient().delete(f"/users/{owner.pk}/follow")
        assert Follow.objects.filter(follower=friend, following=owner).exists()
        assert APIClient().post(f"/users/{owner.pk}/follow").status_code == 401
        assert Follow.objects.count() == 2

    def test_refusals_have_the_texts_of_the_contract(
        self, owner: User, member: Member, api: Api
    ) -> None:
        client = api(owner)
        gone = member("Gone", is_active=False)
        assert error(client.post(f"/users/{owner.pk}/follow"), 400) == "Cannot follow yourself"
        assert error(client.delete(f"/users/{owner.pk}/follow"), 400) == "Cannot unfollow yourself"
        for unknown in (uuid4(), gone.pk, "no-uuid"):
            assert error(client.post(f"/users/{unknown}/follow"), 400) == "User not found"
            assert client.delete(f"/users/{unknown}/follow").status_code == 200  # nothing to undo
        assert not Follow.objects.exists()

    def test_a_notification_that_fails_does_not_undo_the_follow(
        self, owner: User, stranger: User, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.db import DatabaseError

        def fail(*_: object, **__: object) -> None:
            raise DatabaseError

        monkeypatch.setattr(Notification.objects, "get_or_create", fail)
        assert api(stranger).post(f"/users/{owner.pk}/follow").status_code == 200
        assert Follow.objects.count() == 1


def error(response: Any, status: int) -> str:
    assert response.status_code == status
    body: dict[str, str] = response.json()
    assert body["error"] == body["message"]
    return body["error"]


class TestLists:
    @pytest.fixture
    def crowd(self, member: Member, owner: User) -> list[User]:
        crowd = [member(f"Fan{number}") for number in range(5)]
        for fan in crowd:
            Follow.objects.create(follower=fan, following=owner)
            Follow.objects.create(follower=owner, following=fan)
        return crowd

    @pytest.mark.parametrize("name", ["followers", "following"])
    def test_newest_first_page_by_page(
        self, owner: User, stranger: User, crowd: list[User], api: Api, name: str
    ) -> None:
        Follow.objects.create(follower=stranger, following=crowd[1])
        path = f"/api/users/{owner.pk}/{name}"
        body = api(stranger).get(path, {"limit": 2, "page": 2}).json()
        assert [fan["first_name"] for fan in body["data"]] == ["Fan2", "Fan1"]
        assert [fan["isFollowing"] for fan in body["data"]] == [False, True]
        assert body["pagination"] == {"page": 2, "limit": 2, "total": 5, "totalPages": 3}
        card = {"id", "first_name", "last_name", "avatar_url", "bio", "job", "isFollowing"}
        assert body["data"][0].keys() == card
        beyond = api(stranger).get(path, {"page": 99})
        assert beyond.status_code == 200
        assert beyond.json()["data"] == []

    @pytest.mark.parametrize("name", ["followers", "following"])
    def test_the_deactivated_are_neither_listed_nor_listable(
        self, owner: User, stranger: User, crowd: list[User], api: Api, name: str
    ) -> None:
        User.objects.filter(pk=crowd[0].pk).update(is_active=False)
        client = api(stranger)
        assert client.get(f"/users/{owner.pk}/{name}").json()["pagination"]["total"] == 4
        for unknown in (crowd[0].pk, uuid4(), "no-uuid"):
            assert error(client.get(f"/users/{unknown}/{name}"), 404) == "User not found"

    @pytest.mark.parametrize("name", ["followers", "following"])
    def test_the_number_of_queries_is_constant(
        self, owner: User, crowd: list[User], api: Api, name: str
    ) -> None:
        client = api(owner)
        counts = set()
        for limit in (1, 5):
            with CaptureQueriesContext(connection) as queries:
                client.get(f"/users/{owner.pk}/{name}", {"limit": limit})
            counts.add(len(queries))
        assert len(counts) == 1
        assert counts.pop() <= 4
