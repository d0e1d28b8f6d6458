"""Days and times are those of the reader on pages, and UTC in REST."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from posts.models import Post
from search.models import RecallMeasurement
from smimso import settings as shipped
from smimso.celery import app
from smimso.web import middleware
from tests.posts.rows import make_post

pytestmark = pytest.mark.django_db
NIGHT = datetime(2026, 11, 30, 19, 31, tzinfo=UTC)  # 02:31 on 1 December in Vietnam


def post_at(author: User, moment: datetime, **fields: Any) -> Post:
    post = make_post(author, **fields)
    Post.objects.filter(pk=post.pk).update(created_at=moment)
    return post


def read_from(client: Client, zone: str) -> Client:
    client.cookies["time_zone"] = zone
    return client


def test_a_page_shows_the_day_of_the_site_and_of_the_reader(client: Client, owner: User) -> None:
    post = post_at(owner, NIGHT)
    path = f"/post/{post.pk}"
    assert "Dec. 1, 2026" in client.get(path).text
    assert "Nov. 30, 2026" in read_from(client, "America/Los_Angeles").get(path).text
    assert "Dec. 1, 2026" in read_from(client, "Asia/Saigon").get(path).text  # an older name
    assert timezone.get_current_timezone_name() == "Asia/Ho_Chi_Minh"


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "../../etc/passwd", "localtime", "", "A/" * 4000, "Asia/Tokyo;"]
)
def test_an_unknown_time_zone_is_ignored(client: Client, owner: User, zone: str) -> None:
    post = post_at(owner, NIGHT)
    assert "Dec. 1, 2026" in read_from(client, zone).get(f"/post/{post.pk}").text


DECEMBER = {"since": "2026-12-01", "until": "2026-12-01"}


def test_a_day_of_a_filter_begins_at_the_readers_midnight(client: Client, owner: User) -> None:
    post_at(owner, NIGHT, title="At night")
    assert "At night" in client.get("/search", DECEMBER).text
    assert "At night" in read_from(client, "Asia/Tokyo").get("/search", DECEMBER).text
    assert "At night" not in read_from(client, "UTC").get("/search", DECEMBER).text
    november = {"until": "2026-11-30"}
    assert "At night" in client.get("/search", november).text
    assert "At night" not in read_from(client, "Asia/Ho_Chi_Minh").get("/search", november).text


@pytest.mark.parametrize(
    ("day", "midnight", "hours"),
    [
        ("2026-03-29", datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
        ("2026-10-25", datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
    ],
)
def test_a_day_on_which_clocks_change_has_23_or_25_hours(
    client: Client, owner: User, day: str, midnight: datetime, hours: int
) -> None:
    second, end = timedelta(seconds=1), midnight + timedelta(hours=hours)
    moments = {"before": midnight - second, "first": midnight, "last": end - second, "after": end}
    for title, moment in moments.items():
        post_at(owner, moment, title=title)
    page = read_from(client, "Europe/Berlin").get("/search", {"since": day, "until": day}).text
    assert set(re.findall(r'card-title"[^>]*>([^<]*)', page)) == {"first", "last"}


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_the_first_and_last_day_can_be_asked_for(client: Client, day: str, zone: str) -> None:
    for name in ("since", "until"):
        assert read_from(client, zone).get("/search", {name: day}).status_code == 200


def test_rest_answers_in_utc_and_means_days_of_the_site(
    owner: User, api: Callable[..., APIClient]
) -> None:
    post = post_at(owner, NIGHT)
    reader = api(owner)
    plain = reader.get(f"/api/posts/{post.pk}").content
    found = reader.get("/api/search", DECEMBER).json()["data"]["results"]
    assert [each["post_id"] for each in found] == [str(post.pk)]
    assert found[0]["post"]["created_at"] == "2026-11-30T19:31:00Z"
    reader.cookies["time_zone"] = "America/New_York"
    assert reader.get(f"/api/posts/{post.pk}").content == plain
    assert b'"created_at":"2026-11-30T19:31:00Z"' in plain
    assert reader.get("/api/search", DECEMBER).json()["data"]["results"] == []


def test_days_in_the_admin_are_those_of_the_reader(
    client: Client, member: Callable[..., User]
) -> None:
    client.force_login(member("Admin", is_staff=True, is_superuser=True))
    measured = {"query_kind": "text", "queries": 20, "rows": 1, "index_kind": "hnsw", "probes": 40}
    RecallMeasurement.objects.create(**measured)
    RecallMeasurement.objects.update(measured_at=NIGHT)
    day = {"measured_at__year": 2026, "measured_at__month": 12, "measured_at__day": 1}
    path = "/admin/search/recallmeasurement/"
    assert client.get(path, day).context["cl"].result_count == 1
    assert read_from(client, "UTC").get(path, day).context["cl"].result_count == 0


def test_the_database_knows_every_time_zone_that_a_browser_may_name() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_timezone_names")
        assert middleware._known_zones() <= {name for (name,) in cursor.fetchall()}


def test_nightly_work_runs_at_the_sites_night() -> None:
    assert str(app.timezone) == "Asia/Ho_Chi_Minh"
    assert shipped.CELERY_BEAT_SCHEDULE["keep-house"]["schedule"].hour == {3}
