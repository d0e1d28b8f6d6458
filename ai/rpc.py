"""Asking a worker something and waiting for the answer: both ends of the call.

The question is a Celery message on the queue of its task: `text` for texts of searches, and
`interactive` for the rest. The answer comes back through a Redis list that the caller blocks on.
Celery's own result backend is not used: it keeps connections and a subscription per thread, and
under ASGI every request is a new thread; once it has lost Redis it asks for the process to be
restarted.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

import kombu.exceptions
from celery import Task
from django.conf import settings
from django.db import connection
from redis import RedisError

from ai import metrics
from smimso import errors
from smimso.redis import ANSWER_TIMEOUT, redis_client

logger = logging.getLogger(__name__)

QUEUE, TEXTS = "interactive", "text"  # workers of the former answer the latter on a thread
_UNAVAILABLE = {"error": "Unavailable", "code": "ai_unavailable"}
_ANSWER = "smimso:ai:answer:{}"
_ANSWER_TTL = 60  # seconds; for answers whose caller has given up


def ask(task: Task, **arguments: Any) -> Any:
    """The answer of a task that calls `answer`; arguments and answer are JSON.

    Raises Unavailable when too many wait already, when no answer comes within
    settings.AI_TIMEOUT seconds, when Redis can't be reached or the worker failed; and what the
    task raised about its input.
    """
    with metrics.requested(task.name):
        return _ask(task, arguments)


def _ask(task: Task, arguments: dict[str, Any]) -> Any:
    call_id = str(uuid.uuid4())
    if not connection.in_atomic_block:
        # Whoever waits needs no database: the pool's connections are for those who don't.
        connection.close()
    try:
        if redis_client().llen(_queue(task)) >= settings.AI_QUEUE_LIMIT:
            raise errors.Unavailable("ai_busy")
        task.apply_async(
            kwargs=arguments,
            task_id=call_id,
            headers=metrics.sent_now(),
            queue=_queue(task),
            expires=settings.AI_TIMEOUT,  # nobody waits for it after that
            retry=True,  # a pooled connection may be stale since Redis restarted
            retry_policy={"max_retries": 1, "interval_start": 0},
        )
        found = _await_answer(_ANSWER.format(call_id), settings.AI_TIMEOUT)
    except (RedisError, kombu.exceptions.OperationalError) as error:
        logger.warning("Redis can't be reached: %s", error)
        raise errors.Unavailable("ai_unavailable") from error
    if found is None:
        logger.warning("%s: no answer within %s s", task.name, settings.AI_TIMEOUT)
        raise errors.Unavailable("ai_unavailable")
    if "error" in found:
        refused = found["error"] == errors.InvalidInput.__name__
        error_class = errors.InvalidInput if refused else errors.Unavailable
        raise error_class(found["code"], **found.get("params", {}))
    return found["value"]


def _queue(task: Task) -> str:
    return getattr(task, "queue", QUEUE)  # which celery's types do not know


def answer(task: Task, compute: Callable[[], Any]) -> None:
    """In the worker: send what `compute` returns, or the error that it raises, to the caller."""
    call_id = str(task.request.id)
    metrics.started(_queue(task), task.request)
    try:
        found = {"value": compute()}
    except errors.InvalidInput as error:
        found = {"error": type(error).__name__, "code": error.code, "params": error.params}
    except errors.Unavailable as error:
        logger.warning("%s", error)  # names directories: for the log, not for a member
        found = _UNAVAILABLE
    except Exception:
        _send(call_id, _UNAVAILABLE)  # the caller need not wait for the time-out
        raise  # for Celery's log
    _send(call_id, found)


def _send(call_id: str, found: dict[str, Any]) -> None:
    key = _ANSWER.format(call_id)
    with redis_client().pipeline() as pipeline:
        pipeline.rpush(key, json.dumps(found))
        pipeline.expire(key, _ANSWER_TTL)
        pipeline.execute()


def _await_answer(key: str, seconds: float) -> dict[str, Any] | None:
    """Waits in slices shorter than the socket's time-out, which would end a longer BLPOP."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if item := redis_client().blpop([key], timeout=min(left, ANSWER_TIMEOUT / 2)):
            return json.loads(item[1])
    return None
