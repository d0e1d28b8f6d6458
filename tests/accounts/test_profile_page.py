"""The page on which members edit their profile, with the rules of the REST API."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User

pytestmark = pytest.mark.django_db
PAGE = "/settings/profile"
VIETNAMESE = {"Accept-Language": "vi"}
FIELDS = {
    "first_name": " Linh ",
    "last_name": "Nguyễn",
    "job": "artist",
    "bio": "Vẽ tranh\r\nvà ảnh",
    "phone": "+84 (0) 987 654 321",
    "date_of_birth": "1999-12-31",
}


@pytest.fixture
def browser(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def file(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("me.jpg", data, "image/jpeg")


def path_of(url: str | None) -> Path:
    return Path(site.MEDIA_ROOT) / (url or "").removeprefix("/uploads/")


def test_a_member_changes_everything_and_sees_it(browser: Client, owner: User) -> None:
    response = browser.post(PAGE, FIELDS | {"email": "other@example.test", "is_staff": "on"})
    assert response.headers["Location"] == f"/members/{owner.pk}"
    page = browser.get(f"/members/{owner.pk}").text
    for text in ("Your profile has been saved.", "Linh Nguyễn", "Artist", "Vẽ tranh<br>và ảnh"):
        assert text in page
    assert f'href="{PAGE}"' in page
    assert "912" not in page
    owner.refresh_from_db()
    assert (owner.phone, str(owner.date_of_birth)) == ("+84987654321", "1999-12-31")
    assert (owner.bio, owner.job) == ("Vẽ tranh\nvà ảnh", "artist")
    assert (owner.email, owner.is_staff) == ("owner@example.test", False)
    form = browser.get(PAGE, headers=VIETNAMESE).text
    assert '<option value="artist" selected>Nghệ sĩ</option>' in form
    assert 'value="1999-12-31"' in form


def test_blank_fields_become_null(browser: Client, owner: User) -> None:
    browser.post(PAGE, FIELDS)
    User.objects.update(avatar_url="https://pictures.example/me.png")
    browser.post(PAGE, dict.fromkeys(FIELDS, "") | {"first_name": "Owner"})
    owner.refresh_from_db()
    assert [owner.job, owner.bio, owner.phone, owner.date_of_birth] == [None] * 4
    assert owner.last_name == ""
    assert owner.avatar_url == "https://pictures.example/me.png"


def test_old_values_are_accepted_unchanged(browser: Client, member: Callable[..., User]) -> None:
    """An imported phone number and a job that is not in the list stay as they are."""
    old = member("Imported", phone="ext. 7", job="Thợ gốm")
    browser.force_login(old)
    assert '<option value="Thợ gốm" selected>Thợ gốm</option>' in browser.get(PAGE).text
    sent = {"first_name": "New", "phone": "ext. 7", "job": "Thợ gốm"}
    assert browser.post(PAGE, sent).status_code == 302
    old.refresh_from_db()
    assert (old.first_name, old.phone, old.job) == ("New", "ext. 7", "Thợ gốm")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("first_name", "  ", "Trường này là bắt buộc."),
        ("first_name", "x" * 101, "Trường này có nhiều nhất 100 ký tự."),
        ("phone", "call me", "Hãy nhập số điện thoại hợp lệ"),
        ("phone", "0912345678", "Số điện thoại này đã được sử dụng"),
        ("date_of_birth", "2999-01-01", "Không được chọn ngày trong tương lai."),
        ("date_of_birth", "31/12/1999", "Ngày sai định dạng."),
        ("bio", "x" * 5001, "Trường này có nhiều nhất 5000 ký tự."),
        ("bio", "nul\0", "Không được dùng ký tự null."),
    ],
)
def test_an_error_is_shown_at_its_field_and_changes_nothing(
    browser: Client, owner: User, member: Callable[..., User], name: str, value: str, text: str
) -> None:
    member("Other", phone="0912345678")
    before = User.objects.filter(pk=owner.pk).values().get()
    response = browser.post(PAGE, FIELDS | {name: value}, headers=VIETNAMESE)
    assert response.status_code == 400
    [error] = response.context["form"].errors[name]
    assert error.startswith(text)
    assert list(response.context["form"].errors) == [name]
    assert text in response.text
    assert "Vẽ tranh" in response.text or name == "bio"
    assert User.objects.filter(pk=owner.pk).values().get() == before


def test_a_biography_of_full_length_may_have_lines(browser: Client, owner: User) -> None:
    bio = "x\n" * 2499 + "xy"
    assert browser.post(PAGE, FIELDS | {"bio": bio.replace("\n", "\r\n")}).status_code == 302
    owner.refresh_from_db()
    assert owner.bio == bio


@pytest.mark.django_db(transaction=True)
def test_pictures_are_changed_and_removed(
    browser: Client, owner: User, picture: Callable[..., bytes]
) -> None:
    assert "remove_avatar" not in browser.get(PAGE).text
    sent = FIELDS | {"avatar": file(picture()), "cover": file(picture(color="navy"))}
    assert browser.post(PAGE, sent).status_code == 302
    owner.refresh_from_db()
    avatar, cover = owner.avatar_url, owner.cover_url
    assert path_of(avatar).is_file()
    assert f'src="{cover}"' in browser.get(f"/members/{owner.pk}").text
    for shown in (f'src="{avatar}"', f'src="{cover}"', "remove_avatar", "remove_cover"):
        assert shown in browser.get(PAGE).text
    sent = FIELDS | {"remove_avatar": "on", "remove_cover": "on", "cover": file(picture())}
    assert browser.post(PAGE, sent).status_code == 302
    owner.refresh_from_db()
    assert owner.avatar_url is None
    assert path_of(owner.cover_url).is_file()  # a new one matters more than the removal
    assert not path_of(avatar).exists()
    assert not path_of(cover).exists()


@pytest.mark.parametrize("data", [b"<svg onload='alert(1)'/>", b""])
def test_a_bad_picture_changes_nothing_at_all(
    browser: Client, owner: User, picture: Callable[..., bytes], data: bytes
) -> None:
    before = User.objects.filter(pk=owner.pk).values().get()
    files = set(Path(site.MEDIA_ROOT).rglob("*.webp"))
    sent = FIELDS | {"avatar": file(picture()), "cover": file(data)}
    response = browser.post(PAGE, sent, headers=VIETNAMESE)
    assert response.status_code == 400
    assert list(response.context["form"].errors) == ["cover"]
    assert "Không đọc được ảnh trong tệp này" in response.text
    assert User.objects.filter(pk=owner.pk).values().get() == before
    assert set(Path(site.MEDIA_ROOT).rglob("*.webp")) == files


def test_pictures_count_together_with_those_of_the_api(
    browser: Client,
    owner: User,
    api: Callable[..., APIClient],
    picture: Callable[..., bytes],
    settings: Any,
) -> None:
    settings.THROTTLES = {"uploads": "2/1h"}
    api(owner).post("/api/users/profile/avatar", {"avatar": file(picture())}, format="multipart")
    assert browser.post(PAGE, FIELDS | {"avatar": file(picture())}).status_code == 302
    response = browser.post(PAGE, FIELDS | {"bio": "too much", "avatar": file(picture())})
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) >= 1
    assert "too much" in response.text
    assert browser.post(PAGE, FIELDS).status_code == 302
