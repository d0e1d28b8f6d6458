"""The live stream: over HTTP from two real web processes, and races of one stream."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from django.conf import settings

from accounts.models import User
from notifications.models import Notification
from notifications.pubsub import channel_name, publish
from notifications.rest import stream
from smimso.web.auth import issue_token
from tests.notifications.web import Stream, web_process

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
PATIENCE = 120.0  # seconds; a loaded machine may need many of them
PATH = "/api/notifications/stream"


@pytest.fixture(scope="module")
def sites(servers: Path, django_db_setup: None) -> Iterator[list[str]]:
    """Yield the URLs of two web processes on the same database and Redis."""
    with ExitStack() as stack:
        yield [stack.enter_context(web_process(f"stream{n}", servers)) for n in (1, 2)]


@contextmanager
def opened(site: str, user: User) -> Iterator[Stream]:
    url = f"{site}{PATH}?token={issue_token(user)}"
    with httpx.stream("GET", url, timeout=PATIENCE) as response:
        assert response.status_code == 200
        yield Stream(response)


def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue_token(user)}"}


def subscribers(user: User) -> int:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        counts: list[tuple[bytes, int]] = client.pubsub_numsub(channel_name(user.pk))
        return counts[0][1]


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_stream_starts_with_the_list_and_sends_heartbeats(
    sites: list[str], owner: User, stranger: User
) -> None:
    Notification.objects.create(user=owner, related_user=stranger, type="follow", content="old")
    with opened(sites[0], owner) as live:
        headers = live.response.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Cache-Control"] == "no-cache, no-transform"
        assert headers["X-Accel-Buffering"] == "no"
        assert headers["Access-Control-Allow-Origin"] == "*"
        first, second = live.event(), live.event()
        assert first["type"] == "initial_data"
        assert first["data"].keys() == {"notifications", "total", "unreadCount"}
        assert [item["content"] for item in first["data"]["notifications"]] == ["old"]
        assert (first["data"]["total"], first["data"]["unreadCount"]) == (1, 1)
        assert second.keys() == {"type", "message", "timestamp"}
        assert second["message"] == "Connected to notification stream"
        assert live.line() == ": heartbeat"
        assert live.line() == ": heartbeat"


def test_every_stream_in_every_process_gets_a_notification_once(
    sites: list[str], owner: User, stranger: User
) -> None:
    with ExitStack() as stack:
        tabs = [stack.enter_context(opened(site, owner)) for site in (*sites, sites[0])]
        others = stack.enter_context(opened(sites[1], stranger))
        for live in (*tabs, others):
            assert [live.event()["type"], live.event()["type"]] == ["initial_data", "connected"]
        for site in sites:  # the second time it is no news
            path = f"{site}/api/users/{owner.pk}/follow"
            assert httpx.post(path, headers=bearer(stranger), timeout=PATIENCE).status_code == 200
        back = f"{sites[0]}/users/{stranger.pk}/follow"
        assert httpx.post(back, headers=bearer(owner), timeout=PATIENCE).status_code == 200
        for live in tabs:
            event = live.event()
            assert event["type"] == "notification"
            assert event["data"]["content"] == "Stranger started following you"
            assert event["data"]["user_id"] == str(owner.pk)
            assert [live.line(), live.line()] == [": heartbeat"] * 2
        assert others.event()["data"]["content"] == "Owner started following you"


def test_open_streams_hold_no_database_connection(
    sites: list[str], owner: User, member: Callable[..., User]
) -> None:
    """The connection pool of these processes holds two."""
    with ExitStack() as stack:
        for number in range(6):
            live = stack.enter_context(opened(sites[0], member(f"Fan{number}")))
            live.event()
        response = httpx.get(f"{sites[0]}/api/auth/me", headers=bearer(owner), timeout=PATIENCE)
        assert response.status_code == 200


def test_a_closed_stream_leaves_nothing_behind(sites: list[str], owner: User) -> None:
    with opened(sites[0], owner) as live, opened(sites[1], owner) as other:
        live.event()
        other.event()
        assert subscribers(owner) == 2
    assert eventually(lambda: subscribers(owner) == 0)


@pytest.mark.parametrize(
    ("query", "text"), [("", "No token provided"), ("?token=expired", "Invalid token")]
)
def test_without_a_good_token_there_is_no_stream(sites: list[str], query: str, text: str) -> None:
    response = httpx.get(f"{sites[0]}{PATH}{query}", timeout=PATIENCE)
    assert response.status_code == 401
    assert response.json() == {"success": False, "error": text, "message": text}
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_a_stream_ends_when_its_token_becomes_invalid(sites: list[str], owner: User) -> None:
    with opened(sites[0], owner) as live:
        live.event()
        owner.set_password("battery staple")
        owner.save()
        rest = live.rest()
    assert not any("notification" in line and "connected" not in line for line in rest)
    assert eventually(lambda: subscribers(owner) == 0)


def test_the_token_can_be_sent_in_a_header(sites: list[str], owner: User) -> None:
    url = f"{sites[0]}//notifications//stream"
    with httpx.stream("GET", url, headers=bearer(owner), timeout=PATIENCE) as response:
        assert Stream(response).event()["type"] == "initial_data"


def test_tokens_stay_out_of_the_access_log(sites: list[str], owner: User, servers: Path) -> None:
    token = issue_token(owner)
    httpx.get(f"{sites[0]}{PATH}?token={token}x", timeout=PATIENCE)
    log = servers / "stream1.log"
    assert eventually(lambda: f"GET {PATH}?token=…" in log.read_text())
    assert token not in log.read_text()
    assert "eyJ" not in log.read_text()


@pytest.mark.parametrize(("lapses", "status"), [(60, 429), (-1, 200)])
def test_a_member_has_a_limited_number_of_streams(
    sites: list[str], owner: User, stranger: User, lapses: int, status: int
) -> None:
    """Slots of a dead process expire."""
    taken = {f"tab {number}": time.time() + lapses for number in range(stream.MAX_STREAMS)}
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.zadd(stream.slots_key(owner.pk), taken)
        for _ in range(2):  # a refusal takes no slot
            url = f"{sites[0]}{PATH}?token={issue_token(owner)}"
            with httpx.stream("GET", url, timeout=PATIENCE) as response:
                assert response.status_code == status
                if status == 429:
                    text = "Too many requests. Please try again later."
                    body = {"success": False, "error": text, "message": text}
                    assert json.loads(response.read()) == body
        with opened(sites[0], stranger) as live:
            live.event()
            assert eventually(lambda: client.zcard(stream.slots_key(stranger.pk)) == 1)
        assert eventually(lambda: client.zcard(stream.slots_key(stranger.pk)) == 0)


def test_a_stream_ends_after_its_lifetime(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(stream, "LIFETIME_SECONDS", 0.5)

    async def whole() -> list[str]:
        events = stream.stream_events(owner.pk, issue_token(owner), "a slot")
        return [event async for event in events]

    assert stream.HEARTBEAT in asyncio.run(asyncio.wait_for(whole(), PATIENCE))


# --- Races --------------------------------------------------------------------------------------


async def first_events(user: User, number: int) -> list[dict[str, Any]]:
    """Return the first events of a stream, up to `number` or to the first heartbeat."""
    events: list[dict[str, Any]] = []
    chunks: AsyncIterator[str] = stream.stream_events(user.pk, issue_token(user), "a slot")
    async for chunk in chunks:
        if not chunk.startswith("data: "):
            return events
        events.append(json.loads(chunk.removeprefix("data: ")))
        if len(events) == number:
            return events
    return events


def new_notification(user: User, actor: User, content: str) -> None:
    notification = Notification.objects.create(
        user=user, related_user=actor, type="mention", content=content
    )
    publish(user.pk, notification.pk)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_notification_near_the_snapshot_is_sent_once(
    owner: User, stranger: User, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    load_snapshot = stream.load_snapshot

    def snapshot(user_id: Any) -> dict[str, Any]:
        if moment == "before":
            new_notification(owner, stranger, "news")
        snapshot_data = load_snapshot(user_id)
        if moment == "after":
            new_notification(owner, stranger, "news")
        return snapshot_data

    monkeypatch.setattr(stream, "load_snapshot", snapshot)
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 1.0)
    events = asyncio.run(first_events(owner, 9))
    in_list = [item["content"] for item in events[0]["data"]["notifications"]]
    live = [event["data"]["content"] for event in events if event["type"] == "notification"]
    assert in_list + live == ["news"]


def test_a_retracted_notification_is_not_sent(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    load_snapshot = stream.load_snapshot

    def snapshot(user_id: Any) -> dict[str, Any]:
        publish(owner.pk, owner.pk)  # the id of a deleted notification
        return load_snapshot(user_id)

    monkeypatch.setattr(stream, "load_snapshot", snapshot)
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 1.0)
    events = asyncio.run(first_events(owner, 9))
    assert [event["type"] for event in events] == ["initial_data", "connected"]


def test_without_redis_the_stream_reports_an_error(owner: User, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    events = asyncio.run(first_events(owner, 9))
    assert [event["type"] for event in events] == ["error"]
    assert events[0]["message"] == "Failed to load initial data"
