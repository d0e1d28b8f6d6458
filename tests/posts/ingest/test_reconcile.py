"""The reconciler queues images again that wait too long, and gives up after too many attempts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone

from posts.ingest import queue
from posts.ingest.pipeline import reconcile
from posts.models import AIStatus, Post, PostImage
from smimso.queues import EMBED
from tests.posts.conftest import Queues

pytestmark = pytest.mark.django_db
MAX_ATTEMPTS = 5  # settings.AI_MAX_ATTEMPTS


@pytest.fixture
def image(new_post: Callable[..., Post]) -> Callable[..., PostImage]:
    """`image(seconds=…, …)`: a row that was queued that many seconds ago; None: never."""

    def make(*, seconds: float | None = None, **fields: Any) -> PostImage:
        queued_at = None if seconds is None else timezone.now() - timedelta(seconds=seconds)
        row = new_post("red").images.get()
        PostImage.objects.filter(pk=row.pk).update(ai_queued_at=queued_at, **fields)
        row.refresh_from_db()
        return row

    return make


NewImage = Callable[..., PostImage]


def test_images_that_wait_too_long_or_were_never_queued_are_queued_for_their_step(
    image: NewImage, queues: Queues
) -> None:
    never = image()
    lost = image(seconds=61)
    uncaptioned = image(seconds=61, ai_status=AIStatus.EMBEDDED)
    before = timezone.now()
    assert reconcile() == 3
    assert queues["embed"] == [never.pk, lost.pk]
    assert queues["caption"] == [uncaptioned.pk]
    assert all(row.ai_queued_at >= before for row in PostImage.objects.all())


def test_recently_queued_and_finished_images_are_left_alone(
    image: NewImage, queues: Queues
) -> None:
    image(seconds=50)
    image(seconds=50, ai_status=AIStatus.EMBEDDED)
    image(seconds=900, ai_status=AIStatus.DONE)
    image(seconds=900, ai_status=AIStatus.FAILED, ai_attempts=MAX_ATTEMPTS)
    image(ai_status=AIStatus.FAILED)
    image(image_path="")
    rows = list(PostImage.objects.order_by("pk").values("pk", "ai_status", "ai_queued_at"))
    assert reconcile() == 0
    assert queues["embed"] == queues["caption"] == []
    assert list(PostImage.objects.order_by("pk").values("pk", "ai_status", "ai_queued_at")) == rows


def test_a_second_run_finds_nothing_more(image: NewImage, queues: Queues) -> None:
    image()
    assert reconcile() == 1
    assert reconcile() == 0
    assert len(queues["embed"]) == 1


def test_the_time_until_requeueing_is_a_setting(
    image: NewImage, queues: Queues, settings: Any
) -> None:
    image(seconds=10)
    settings.AI_REQUEUE_SECONDS = 5
    assert reconcile() == 1


def test_an_image_with_too_many_attempts_is_given_up_with_the_reason(
    image: NewImage, queues: Queues
) -> None:
    killer = image(seconds=61, ai_attempts=MAX_ATTEMPTS)
    last_chance = image(seconds=61, ai_attempts=MAX_ATTEMPTS - 1)
    assert reconcile() == 1
    killer.refresh_from_db()
    assert killer.ai_status == AIStatus.FAILED
    assert killer.ai_error == "Given up after 5 attempts; the worker did not survive"
    assert queues["embed"] == [last_chance.pk]


def test_an_image_that_is_given_up_keeps_the_reason_of_its_last_failure(
    image: NewImage, queues: Queues
) -> None:
    row = image(seconds=61, ai_attempts=MAX_ATTEMPTS, ai_error="PermissionError: no")
    reconcile()
    row.refresh_from_db()
    assert (row.ai_status, row.ai_error) == (AIStatus.FAILED, "PermissionError: no")


def test_the_last_attempt_that_still_runs_is_not_given_up(image: NewImage, queues: Queues) -> None:
    row = image(seconds=5, ai_attempts=MAX_ATTEMPTS)
    assert reconcile() == 0
    row.refresh_from_db()
    assert row.ai_status == AIStatus.PENDING


def test_a_long_queue_is_busy_and_not_lost(image: NewImage, queues: Queues) -> None:
    image()
    uncaptioned = image(ai_status=AIStatus.EMBEDDED)
    queues.fill("embed", 500)
    assert reconcile() == 1
    assert queue.depth("embed") == 500
    assert queue.depth("caption") == 1
    uncaptioned.refresh_from_db()
    assert uncaptioned.ai_queued_at is not None


def test_the_oldest_are_queued_first_up_to_the_limit(image: NewImage, queues: Queues) -> None:
    young, old, never = image(seconds=70), image(seconds=700), image()
    queues.fill("embed", 8)
    assert reconcile(limit=10) == 2
    assert queue.depth("embed") == 10
    queues.client.ltrim("embed", 0, 1)
    assert queues["embed"] == [never.pk, old.pk]
    young.refresh_from_db()
    assert young.ai_queued_at < timezone.now() - timedelta(seconds=60)


def test_a_flushed_redis_loses_nothing(image: NewImage, queues: Queues) -> None:
    row = image()
    assert queue.enqueue(EMBED, [row.pk])
    queues.clear()
    PostImage.objects.update(ai_queued_at=timezone.now() - timedelta(seconds=61))
    assert reconcile() == 1
    assert queues["embed"] == [row.pk]


def test_without_redis_nothing_is_marked_as_queued(image: NewImage, redis_away: None) -> None:
    row = image(seconds=61)
    with pytest.raises(redis.RedisError):
        reconcile()
    assert not queue.enqueue(EMBED, [row.pk])
    row.refresh_from_db()
    assert (row.ai_status, row.ai_queued_at) == (AIStatus.PENDING, None)


def test_the_number_of_queries_does_not_depend_on_the_number_of_images(
    image: NewImage, queues: Queues, django_assert_num_queries: Any
) -> None:
    for _ in range(6):
        image()
    with django_assert_num_queries(
        4
    ):  # one update of failures, two selects, one update of the queued
        assert reconcile() == 6
