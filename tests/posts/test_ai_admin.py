"""The sections of `/admin/ai/` on images."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from ai import heartbeat, metrics
from ai.heartbeat import ModelState, WorkerState
from posts.admin.ai_sections import images, remaining_time
from posts.models import AIStatus, Post, PostImage
from smimso.redis import redis_client
from tests.posts.conftest import Queues
from tests.posts.rows import make_post

pytestmark = pytest.mark.django_db
PAGE = "/admin/ai/"


@pytest.fixture
def admin(client: Client, member: Callable[..., User]) -> User:
    """A client of staff."""
    user = member("Admin", is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


@pytest.fixture
def failed(new_post: Callable[..., Post]) -> Callable[..., PostImage]:
    def make(reason: str, **fields: Any) -> PostImage:
        image = new_post().images.get()
        fields = {"ai_status": AIStatus.FAILED, "ai_error": reason, "ai_attempts": 5, **fields}
        PostImage.objects.filter(pk=image.pk).update(**fields)
        return image

    return make


def states() -> dict[str, int]:
    found = PostImage.objects.order_by().values_list("ai_status", flat=True)
    return {state: list(found).count(state) for state in set(found)}


# --- Permissions ----------------------------------------------------------------------------


def test_only_staff_with_the_permission_sees_it(
    client: Client, stranger: User, member: Callable[..., User]
) -> None:
    assert client.get(PAGE).headers["Location"].startswith("/admin/login/")
    client.force_login(stranger)
    assert client.get(PAGE).headers["Location"].startswith("/admin/login/")
    helper = member("Helper", is_staff=True)
    client.force_login(helper)
    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/").text
    helper.user_permissions.add(Permission.objects.get(codename="view_postimage"))
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert f'href="{PAGE}"' in client.get("/admin/").text


def test_only_staff_who_may_change_images_can_retry(
    client: Client, member: Callable[..., User], failed: Callable[..., PostImage], queues: Queues
) -> None:
    failed("broken")
    helper = member("Helper", is_staff=True)
    helper.user_permissions.add(Permission.objects.get(codename="view_postimage"))
    client.force_login(helper)
    assert "/admin/ai/retry" not in client.get(PAGE).text
    assert client.post("/admin/ai/retry").status_code == 403
    assert client.get("/admin/ai/retry").status_code == 405
    assert states() == {AIStatus.FAILED: 1}


def test_a_refresh_after_the_session_ended_reloads_the_page(client: Client) -> None:
    response = client.get(PAGE, headers={"hx-request": "true"})
    assert response.headers["HX-Refresh"] == "true"
    assert response.content == b""


# --- Contents -------------------------------------------------------------------------------


def test_a_refresh_returns_only_the_sections(client: Client, admin: User) -> None:
    page = client.get(PAGE, headers={"hx-request": "true"}).text
    assert "ai-images" in page
    assert "<html" not in page


def test_workers_are_shown_with_their_models_and_errors(client: Client, admin: User) -> None:
    state = WorkerState(
        name="bulk@smimso:4711",
        queues=("caption", "embed"),
        device="cpu",
        dtype="bf16",
        clip=ModelState("some/clip", loaded=True),
        blip=ModelState("some/blip", loaded=False, error="no weights in /some/directory"),
    )
    heartbeat.publish(state)
    try:
        page = client.get(PAGE).text
    finally:
        heartbeat.withdraw(state.name)
    for text in (
        "caption, embed",
        "cpu bf16",
        "4711",
        "some/clip",
        "no weights in /some/directory",
    ):
        assert text in page
    assert "not the configured model" in page


def test_without_redis_the_page_shows_a_warning_and_the_rest(
    client: Client, admin: User, failed: Callable[..., PostImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed("broken")
    from redis import ConnectionError as NoConnection

    def away(*_: Any) -> None:
        raise NoConnection

    monkeypatch.setattr(heartbeat, "live_workers", away)
    monkeypatch.setattr(metrics, "throughput", away)
    page = client.get(PAGE).text
    assert "Redis can&#x27;t be reached" in page or "Redis can't be reached" in page
    assert "broken" in page


def test_images_are_counted_by_state_and_model(owner: User) -> None:
    counts = {AIStatus.DONE: 3, AIStatus.EMBEDDED: 2, AIStatus.PENDING: 4, AIStatus.FAILED: 1}
    for state, number in counts.items():
        for image in make_post(owner, images=number).images.all():
            image.ai_status, image.image_path = state, "posts/a.jpg"
            image.embedding_model = "a" if state in (AIStatus.DONE, AIStatus.EMBEDDED) else ""
            image.caption_model = "b" if state == AIStatus.DONE else ""
            image.save()
    make_post(owner, images=5)  # hosted elsewhere, so not processed
    shown = images(None)  # type: ignore[arg-type]
    assert {row["state"]: row["count"] for row in shown["states"]} == {
        **counts,
        AIStatus.PENDING: 9,
    }
    assert (shown["total"], shown["elsewhere"]) == (15, 5)
    assert shown["embedded"] == [("a", 5)]
    assert shown["captioned"] == [("b", 3)]
    assert [(row["step"], row["waiting"]) for row in shown["steps"]] == [
        ("embed", 4),
        ("caption", 6),
    ]


def test_the_remaining_time_follows_from_the_throughput() -> None:
    assert remaining_time(0, 0.0) == "no images waiting"
    assert remaining_time(5, 0.0) == ""
    assert remaining_time(5, 60.0) == "less than a minute"
    assert remaining_time(600, 10.0) == "1\xa0hour"
    assert remaining_time(10**12, 0.001).endswith("months")


def test_the_throughput_is_measured_from_the_start_of_the_work(servers: Any) -> None:
    metrics.count_finished("test", 20)
    metrics.count_finished("test", 0)
    try:
        # All of it within a slice or two of ten seconds.
        assert 60 <= metrics.throughput("test") <= 120
        assert metrics.throughput("idle") == 0
    finally:
        redis_client().delete(*redis_client().keys("smimso:ai:finished:test:*"))


def test_failures_are_grouped_by_reason_and_the_last_ones_linked(
    client: Client, admin: User, failed: Callable[..., PostImage]
) -> None:
    now = timezone.now()
    old = failed("ValueError: <b>bad</b>", ai_queued_at=now - timedelta(days=1))
    new = failed("ValueError: <b>bad</b>", ai_queued_at=now)
    failed("The image file is missing")
    page = client.get(PAGE).text
    assert page.count("The image file is missing") >= 2
    assert "<b>bad</b>" not in page
    assert page.index(f"/admin/posts/postimage/{new.pk}/change/") < page.index(
        f"/admin/posts/postimage/{old.pk}/change/"
    )


def test_the_page_needs_the_same_queries_however_much_there_is(
    client: Client, admin: User, failed: Callable[..., PostImage]
) -> None:
    counts = []
    for number in (1, 12):
        for n in range(number):
            failed(f"reason {n}")
        with CaptureQueriesContext(connection) as queries:
            client.get(PAGE)
        counts.append(len(queries))
        assert not any('"embedding"' in query["sql"] for query in queries.captured_queries)
    assert counts[0] == counts[1]


# --- Retry ----------------------------------------------------------------------------------


def test_a_reason_is_retried_and_the_others_stay(
    client: Client,
    admin: User,
    failed: Callable[..., PostImage],
    queues: Queues,
    django_capture_on_commit_callbacks: Any,
) -> None:
    queues.clear()
    long = "RuntimeError: " + "x" * 300
    ours, others = {failed(long).pk, failed(long).pk}, failed("The image file is missing")
    queues.clear()
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post("/admin/ai/retry", {"reason": long[:200]}, follow=True).text
    assert "2 images are queued for the AI again." in page
    assert set(queues["embed"]) == ours
    others.refresh_from_db()
    assert others.ai_status == AIStatus.FAILED
    for image in PostImage.objects.filter(pk__in=ours):
        assert (image.ai_status, image.ai_error, image.ai_attempts) == (AIStatus.PENDING, "", 0)


def test_all_images_but_those_hosted_elsewhere_are_retried(
    client: Client, admin: User, owner: User, failed: Callable[..., PostImage], queues: Queues
) -> None:
    failed("one"), failed("two")
    make_post(owner).images.update(ai_status=AIStatus.FAILED, ai_error="three")
    client.post("/admin/ai/retry")
    assert states() == {AIStatus.PENDING: 2, AIStatus.FAILED: 1}
    page = client.post("/admin/ai/retry", follow=True).text
    assert "There are no such failures to retry." in page
