"""A member's own profile: fields that can be changed, images and their files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import User

Api = Callable[..., APIClient]
Picture = Callable[..., bytes]


@pytest.fixture
def media(db: None) -> Path:
    return Path(settings.MEDIA_ROOT)


def put(client: APIClient, **fields: Any) -> Any:
    return client.put("/api/users/profile", fields, format="json")


def upload(client: APIClient, data: bytes, kind: str = "avatar", field: str = "") -> Any:
    file = SimpleUploadedFile("me.html", data, "text/html")
    return client.post(f"/api/users/profile/{kind}", {field or kind: file}, format="multipart")


@pytest.mark.django_db
class TestWriting:
    def test_the_answer_is_the_session_of_the_frontend(self, owner: User, api: Api) -> None:
        response = put(
            api(owner),
            first_name=" Linh ",
            last_name="Nguyễn",
            phone="+84 912 345 678",
            date_of_birth="1999-12-31",
            job="artist",
            bio="Vẽ tranh",
            email="other@example.test",
            is_staff=True,
            password="hacked",
            google_id="hacked",
        )
        assert response.status_code == 200
        body = response.json()
        assert body["message"] == "Profile updated successfully"
        owner.refresh_from_db()
        assert body["data"] == {
            "id": str(owner.pk),
            "email": "owner@example.test",
            "phone": "+84912345678",
            "first_name": "Linh",
            "last_name": "Nguyễn",
            "date_of_birth": "1999-12-31",
            "job": "artist",
            "avatar_url": None,
            "cover_url": None,
            "bio": "Vẽ tranh",
            "auth_provider": "credential",
            "is_verified": False,
            "is_active": True,
            "created_at": owner.created_at.isoformat().replace("+00:00", "Z"),
            "updated_at": owner.updated_at.isoformat().replace("+00:00", "Z"),
        }
        assert owner.google_id is None
        assert not owner.is_staff

    def test_blanks_become_null(self, member: Callable[..., User], api: Api) -> None:
        member("First", phone="1")
        full = {"phone": "2", "date_of_birth": "2000-01-01", "job": "x", "bio": "y"}
        second = member("Second", **full)
        response = put(api(second), first_name="Second", last_name="", **dict.fromkeys(full, ""))
        assert response.status_code == 200
        assert all(response.json()["data"][name] is None for name in full)
        assert response.json()["data"]["last_name"] == ""
        assert put(api(second), phone="").status_code == 200

    @pytest.mark.parametrize(
        "fields",
        [
            {"first_name": ""},
            {"first_name": "  "},
            {"first_name": None},
            {"first_name": "x" * 101},
            {"last_name": ["x"]},
            {"phone": "call me"},
            {"phone": "1" * 21},
            {"date_of_birth": "31/12/1999"},
            {"date_of_birth": "2999-01-01"},
            {"job": {"a": 1}},
            {"bio": "x" * 5001},
            {"bio": "nul\0"},
            {"avatar_url": "javascript:alert(1)"},
            {"avatar_url": "http://tracker.example/pixel.gif"},
            {"avatar_url": "/uploads/avatars/../../secret"},
            {"cover_url": f"/uploads/covers/{uuid4()}.png"},
            {"cover_url": "https://"},
            {"cover_url": "//evil.example/x.png"},
        ],
    )
    def test_invalid_values_change_nothing(
        self, owner: User, api: Api, fields: dict[str, Any]
    ) -> None:
        before = User.objects.filter(pk=owner.pk).values().get()
        response = put(api(owner), **({"job": "artist"} | fields))
        assert response.status_code == 400
        assert response.json()["error"] == response.json()["message"]
        assert User.objects.filter(pk=owner.pk).values().get() == before

    def test_somebody_elses_phone_is_refused(
        self, owner: User, member: Callable[..., User], api: Api
    ) -> None:
        member("Other", phone="0912345678")
        response = put(api(owner), phone="0912345678")
        assert response.status_code == 400
        assert response.json()["error"] == "This phone number is already in use"
        owner.refresh_from_db()
        assert owner.phone is None

    def test_unchanged_imported_values_are_accepted(
        self, member: Callable[..., User], api: Api
    ) -> None:
        old = {"phone": "ext. 7", "avatar_url": "http://old.example/a.png"}
        user = member("Imported", **old)
        assert put(api(user), bio="new", **old).status_code == 200

    def test_only_members_write(self, owner: User) -> None:
        assert put(APIClient(), first_name="Evil").status_code == 401
        owner.refresh_from_db()
        assert owner.first_name == "Owner"


@pytest.mark.django_db(transaction=True)
class TestPictures:
    @pytest.mark.parametrize(
        ("kind", "folder", "width", "message"),
        [
            ("avatar", "avatars", 480, "Avatar uploaded successfully"),
            ("cover", "covers", 1080, "Cover image uploaded successfully"),
        ],
    )
    def test_an_image_is_stored_in_the_shown_size_and_replaces_the_old_one(
        self, owner: User, api: Api, picture: Picture, media: Path, kind: str, folder: str,
        width: int, message: str,
    ) -> None:  # fmt: skip
        client = api(owner)
        large = picture(format="PNG", size=(1600, 800))
        first = upload(client, large, kind).json()["data"][f"{kind}_url"]
        assert first.startswith(f"/uploads/{folder}/")
        assert first.endswith(".webp")
        with Image.open(media / first.removeprefix("/uploads/")) as stored:
            assert (stored.format, stored.size) == ("WEBP", (width, width // 2))
        response = upload(client, picture(), kind)
        assert response.status_code == 200
        assert response.json()["message"] == message
        second = response.json()["data"][f"{kind}_url"]
        assert second.endswith(".webp")
        assert not (media / first.removeprefix("/uploads/")).exists()
        assert (media / second.removeprefix("/uploads/")).is_file()
        assert "password" not in response.content.decode()

    def test_an_invalid_image_is_refused_and_the_old_one_stays(
        self, owner: User, api: Api, picture: Picture, media: Path
    ) -> None:
        client = api(owner)
        url = upload(client, picture()).json()["data"]["avatar_url"]
        files = set(media.rglob("*"))
        for data in (b"<svg onload='alert(1)'/>", b"", picture()[:40]):
            assert upload(client, data).status_code == 400
        assert upload(client, picture(), field="file").json()["error"] == "Unexpected field"
        empty = client.post("/users/profile/avatar", {}, format="multipart")
        assert empty.json()["error"] == "No file uploaded"
        assert set(media.rglob("*")) == files
        owner.refresh_from_db()
        assert owner.avatar_url == url

    def test_nobody_takes_or_removes_somebody_elses_file(
        self, owner: User, stranger: User, api: Api, picture: Picture, media: Path
    ) -> None:
        url = upload(api(owner), picture()).json()["data"]["avatar_url"]
        assert put(api(stranger), avatar_url=url).status_code == 400
        assert put(api(stranger), cover_url=url).status_code == 400
        assert put(api(stranger), avatar_url="").status_code == 200
        assert (media / url.removeprefix("/uploads/")).is_file()
        assert upload(APIClient(), picture()).status_code == 401

    def test_the_file_of_a_removed_image_is_deleted(
        self, owner: User, api: Api, picture: Picture, media: Path
    ) -> None:
        client = api(owner)
        url = upload(client, picture()).json()["data"]["avatar_url"]
        assert put(client, avatar_url=url).json()["data"]["avatar_url"] == url
        assert (media / url.removeprefix("/uploads/")).is_file()
        elsewhere = "https://pictures.example/me.png"
        assert put(client, avatar_url=elsewhere).json()["data"]["avatar_url"] == elsewhere
        assert not (media / url.removeprefix("/uploads/")).exists()

    def test_a_failed_upload_leaves_no_files(
        self,
        owner: User,
        picture: Picture,
        media: Path,
        api: Api,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("the database is gone")

        files = set(media.rglob("*.webp"))
        monkeypatch.setattr(User, "save", fail)
        assert upload(api(owner), picture()).status_code == 500
        assert set(media.rglob("*.webp")) == files
