"""Texts of searches, answered by each interactive worker on a thread of its own.

A solo worker does one thing at a time, and a caption takes as long as twenty texts: in Celery's
loop a text would wait until the caption is done, whatever the order of the queues.
"""

import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from django.db import connection
from kombu import Consumer, Message, Queue
from kombu.mixins import ConsumerMixin

from smimso.queues import TEXT

logger = logging.getLogger(__name__)

RETRY_PAUSE_SECONDS = 1.0  # seconds after what kombu does not foresee


class TextQueueConsumer(ConsumerMixin):
    """Takes Celery's messages for tasks of the queue `text` and runs them, one after another."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self.connection = app.connection_for_read()
        self._thread = threading.Thread(target=self._serve, name="ai-texts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.should_stop = True

    def _serve(self) -> None:
        while not self.should_stop:
            try:
                self.run()  # which connects again by itself
            except Exception:  # no search may be without texts from now on
                logger.exception("Texts wait for a moment")
                time.sleep(RETRY_PAUSE_SECONDS)

    def get_consumers(self, consumer: Any, channel: Any) -> list[Consumer]:
        queue = Queue(TEXT, routing_key=TEXT)
        return [consumer([queue], callbacks=[self._work], accept=["json"], prefetch_count=1)]

    def _work(self, body: Any, message: Message) -> None:
        message.ack()
        try:
            if not _is_expired(message.headers):
                self._run(body[1], message.headers)
        except Exception:  # the next text is as good as any
            logger.exception("A text has no answer")
        finally:
            connection.close()  # of this thread; none, as a rule

    def _run(self, arguments: dict[str, Any], headers: dict[str, Any]) -> None:
        task = self.app.tasks[headers["task"]]
        task.push_request(**headers)
        try:
            task.run(**arguments)
        finally:
            task.pop_request()


def _is_expired(headers: dict[str, Any]) -> bool:
    expires = headers.get("expires")
    return isinstance(expires, str) and datetime.fromisoformat(expires) < datetime.now(UTC)
