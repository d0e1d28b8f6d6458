"""The maintenance worker: long tasks delay no others."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from celery.beat import Scheduler
from celery.schedules import crontab, schedule
from django.db import connection, transaction
from django.utils import timezone

from posts.models import Post, PostImage
from posts.tasks import reconcile_images
from recommendations.models import UserEmbedding
from recommendations.tasks import refresh_user_embeddings
from smimso.celery import app as celery_app
from smimso.celery import one_at_a_time
from smimso.local.processes import maintenance_worker, node_name
from tests.conftest import running, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "test-maintenance"  # another test's worker serves the real one


@pytest.fixture
def maintenance(servers: Path, tmp_path: Path) -> Iterator[None]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "SMIMSO_TEST_DATABASE": connection.settings_dict["NAME"],
        "SMIMSO_METRICS_DIR": str(tmp_path),
    }
    program = maintenance_worker(environment)
    program.command[program.command.index("--queues") + 1] = QUEUE
    node = node_name("maintenance")
    with running(program, servers) as process:
        wait_until(
            lambda: celery_app.control.ping(destination=[node], timeout=0.5), process, seconds=120
        )
        yield


@pytest.mark.usefixtures("maintenance")
def test_the_reconciler_does_not_wait_for_long_tasks(owner: Any, tmp_path: Path) -> None:
    post = Post.objects.create(user=owner)
    image = PostImage.objects.create(post=post, image_path="posts/a.jpg")
    with transaction.atomic(), connection.cursor() as cursor:
        # Like a build of the index, this waits for the database.
        cursor.execute(f"LOCK TABLE {UserEmbedding._meta.db_table} IN ACCESS EXCLUSIVE MODE")
        refresh_user_embeddings.apply_async(queue=QUEUE)
        wait_for(lambda: waiting_for_locks() == 1)
        reconcile_images.apply_async(queue=QUEUE)
        wait_for(lambda: PostImage.objects.filter(pk=image.pk, ai_queued_at=None).count() == 0)
        assert waiting_for_locks() == 1
    assert list(tmp_path.glob("*.lock")), "the worker's metrics are not shared"


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        number: int = cursor.fetchone()[0]
        return number


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_periodic_task_occupies_one_thread() -> None:
    started, go_on, runs = threading.Event(), threading.Event(), []

    def work() -> None:
        runs.append(1)
        started.set()
        go_on.wait(30)

    task = one_at_a_time(work)
    first = threading.Thread(target=task)
    first.start()
    started.wait(30)
    task()
    go_on.set()
    first.join()
    task()
    assert len(runs) == 2


def test_periodic_tasks_expire_when_the_next_one_is_due() -> None:
    """Read the messages in the queue, where they would pile up without workers."""
    beat = Scheduler(celery_app, lazy=True)
    beat.setup_schedule()
    assert len(beat.schedule) == len(celery_app.conf.beat_schedule)
    with celery_app.connection_for_write() as broker:
        client = broker.default_channel.client
        for entry in beat.schedule.values():
            client.delete(QUEUE)
            entry.options |= {"queue": QUEUE}
            beat.apply_async(entry, advance=False)
            (message,) = client.lrange(QUEUE, 0, -1)
            expires = datetime.fromisoformat(json.loads(message)["headers"]["expires"])
            left = (expires - timezone.now()).total_seconds()
            regular = isinstance(entry.schedule, schedule)
            interval = entry.schedule.seconds if regular else 24 * 60 * 60
            assert max(60, interval) - 30 < left <= max(60, interval)
        client.delete(QUEUE)


def test_each_nightly_task_has_an_hour_of_its_own(settings: Any) -> None:
    schedules = [entry["schedule"] for entry in settings.CELERY_BEAT_SCHEDULE.values()]
    hours = [schedule.hour for schedule in schedules if isinstance(schedule, crontab)]
    assert len(set(map(str, hours))) == len(hours) > 1
