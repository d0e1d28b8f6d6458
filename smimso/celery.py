"""The Celery application. `smimso.queues` names its queues."""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from celery import Celery, signals
from kombu.exceptions import OperationalError
from redis import RedisError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")

logger = logging.getLogger(__name__)

app = Celery("smimso")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_process_init.connect
def _share_metrics(**_: object) -> None:
    """Run in the process that works: the worker itself (solo pool) or a forked child."""
    from smimso import metrics  # needs the settings, which are loaded by now

    metrics.enable_multiprocess()


@signals.worker_init.connect
def _share_metrics_of_threads(sender: Any, **_: object) -> None:
    """Do the same for a pool of threads, for which Celery does not send worker_process_init."""
    if "thread" in str(sender.pool_cls):
        _share_metrics()


def one_at_a_time(run: Callable[[], None]) -> Callable[[], None]:
    """Decorate a periodic task: if its previous run is still active in this process, return.

    So each task occupies one thread of the worker, however long it takes.
    """
    running = threading.Lock()

    @wraps(run)
    def run_alone() -> None:
        if running.acquire(blocking=False):
            try:
                run()
            finally:
                running.release()

    return run_alone


def send_task(task: str, *args: object, headers: Mapping[str, object] | None = None) -> bool:
    """Send a task by name to the queue that the settings route it to.

    Return False, and raise nothing, if Redis is unreachable.
    """
    return send_tasks(task, [args], headers=headers, retries=0)


def send_tasks(
    task: str,
    arguments: Iterable[tuple[object, ...]],
    *,
    headers: Mapping[str, object] | None = None,
    retries: int = 1,
) -> bool:
    """Send a message with each of `arguments` over one connection; like `send_task`.

    retries: attempts over a new connection, because a pooled one may be stale after Redis
    restarted. If False is returned, some messages may have been sent.
    """
    try:
        with app.producer_pool.acquire(block=True) as producer:
            for args in arguments:
                app.send_task(
                    task,
                    args=args,
                    headers=dict(headers or {}),
                    producer=producer,
                    ignore_result=True,
                    retry=retries > 0,
                    retry_policy={"max_retries": retries, "interval_start": 0},
                )
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("Redis is unreachable, %s was not sent: %s", task, error)
        return False
    return True
