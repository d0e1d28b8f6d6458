"""Remote procedure calls to AI workers: the caller's and the worker's side.

A call is a Celery message on the queue of its task. The reply comes back through a Redis list
that the caller blocks on. Celery's own result backend is not used: it holds connections and a
subscription per thread, and under ASGI every request is a new thread; once it has lost Redis, it
wants the process to be restarted.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypedDict

import kombu.exceptions
from celery import Task
from django.conf import settings
from django.db import connection
from redis import RedisError

from ai import metrics
from smimso import errors
from smimso.celery import app
from smimso.queues import INTERACTIVE, TEXT
from smimso.redis import REPLY_TIMEOUT, redis_client

logger = logging.getLogger(__name__)

_UNAVAILABLE = {"error": "Unavailable", "code": "ai_unavailable"}
REPLY_KEY = "smimso:ai:answer:{}"
_REPLY_TTL_SECONDS = 60  # for replies whose caller has given up


class RemoteTask(StrEnum):
    """The tasks of `ai.tasks`, by the names that Celery knows them by."""

    EMBED_TEXT = "ai.tasks.embed_text"
    EMBED_TEXTS = "ai.tasks.embed_texts"
    EMBED_IMAGE = "ai.tasks.embed_image"
    DESCRIBE_IMAGE = "ai.tasks.describe_image"
    CLASSIFY_IMAGE = "ai.tasks.classify_image"
    CAPTION_AND_LABEL = "ai.tasks.caption_and_label"

    @property
    def queue(self) -> str:
        return TEXT if self == RemoteTask.EMBED_TEXT else INTERACTIVE


class VectorReply(TypedDict):
    """model: name of the vector space. vector: 512 floats of unit length."""

    model: str
    vector: list[float]


class VectorsReply(TypedDict):
    model: str
    vectors: list[list[float]]


class DescriptionReply(VectorReply):
    """caption: None if captioning failed."""

    caption: str | None


class LabelReply(TypedDict):
    """scores: probabilities of the labels and of the background class; None without labels."""

    caption: str | None
    scores: list[float] | None


def call(task: RemoteTask, **arguments: object) -> Any:
    """Run a task in a worker and return its reply; arguments and reply are JSON.

    Raises Unavailable if too many calls are waiting already, if no reply comes within
    settings.AI_TIMEOUT seconds, if Redis is unreachable or if the worker failed; InvalidInput if
    the task rejected its input.
    """
    with metrics.observe_request(task):
        return _call(task, arguments)


def _call(task: RemoteTask, arguments: dict[str, object]) -> Any:
    call_id = str(uuid.uuid4())
    if not connection.in_atomic_block:
        connection.close()  # the wait needs no database, others need the pool's connections
    try:
        if redis_client().llen(task.queue) >= settings.AI_QUEUE_LIMIT:
            raise errors.Unavailable("ai_busy")
        app.send_task(
            task.value,
            kwargs=arguments,
            task_id=call_id,
            headers=metrics.sent_at_headers(),
            queue=task.queue,
            expires=settings.AI_TIMEOUT,  # the caller has given up by then
            ignore_result=True,
            retry=True,  # a pooled connection may be stale since Redis restarted
            retry_policy={"max_retries": 1, "interval_start": 0},
        )
        result = _await_reply(REPLY_KEY.format(call_id), settings.AI_TIMEOUT)
    except (RedisError, kombu.exceptions.OperationalError) as error:
        logger.warning("Redis is unreachable: %s", error)
        raise errors.Unavailable("ai_unavailable") from error
    if result is None:
        logger.warning("%s: no reply within %s s", task.value, settings.AI_TIMEOUT)
        raise errors.Unavailable("ai_unavailable")
    if "error" in result:
        is_refusal = result["error"] == errors.InvalidInput.__name__
        error_class = errors.InvalidInput if is_refusal else errors.Unavailable
        raise error_class(result["code"], **result.get("params", {}))
    return result["value"]


def reply(task: Task, compute: Callable[[], object]) -> None:
    """Send the result of `compute`, or the error that it raises, to the caller of `task`.

    To be called by the task, in the worker.
    """
    call_id = str(task.request.id)
    metrics.observe_queue_wait(RemoteTask(task.name).queue, task.request)
    try:
        result: Mapping[str, object] = {"value": compute()}
    except errors.InvalidInput as error:
        result = {"error": type(error).__name__, "code": error.code, "params": error.params}
    except errors.Unavailable as error:
        logger.warning("%s", error)  # names directories: for the log, not for members
        result = _UNAVAILABLE
    except Exception:
        _send(call_id, _UNAVAILABLE)  # so that the caller need not wait for the time-out
        raise  # for Celery's log
    _send(call_id, result)


def _send(call_id: str, result: Mapping[str, object]) -> None:
    key = REPLY_KEY.format(call_id)
    with redis_client().pipeline() as pipeline:
        pipeline.rpush(key, json.dumps(result))
        pipeline.expire(key, _REPLY_TTL_SECONDS)
        pipeline.execute()


def _await_reply(key: str, seconds: float) -> dict[str, Any] | None:
    """Block in slices shorter than the socket time-out, which would end a longer BLPOP."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if item := redis_client().blpop([key], timeout=min(left, REPLY_TIMEOUT / 2)):
            return json.loads(item[1])
    return None
