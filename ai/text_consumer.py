"""A thread in each interactive worker that embeds search texts next to Celery's own loop.

A solo worker does one thing at a time, and a caption takes as long as twenty texts: in Celery's
loop a text would wait for the caption, whatever the order of the queues.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from celery import Celery
from django.db import connection
from kombu import Consumer, Message, Queue
from kombu.mixins import ConsumerMixin

from smimso.queues import TEXT

logger = logging.getLogger(__name__)

Body = tuple[Sequence[object], Mapping[str, object], object]  # args, kwargs, callbacks
RETRY_PAUSE_SECONDS = 1.0  # after an error that kombu does not handle


class TextQueueConsumer(ConsumerMixin):
    """Runs Celery's messages on the queue `text`, one after another."""

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
                self.run()  # reconnects by itself
            except Exception:  # the thread must survive, or no search would embed its text
                logger.exception("The consumer of texts failed and starts again")
                time.sleep(RETRY_PAUSE_SECONDS)

    def get_consumers(self, consumer: Callable[..., Consumer], channel: object) -> list[Consumer]:
        queue = Queue(TEXT, routing_key=TEXT)
        return [consumer([queue], callbacks=[self._handle], accept=["json"], prefetch_count=1)]

    def _handle(self, body: Body, message: Message) -> None:
        message.ack()
        try:
            if not _is_expired(message.headers):
                self._run_task(body[1], message.headers)
        except Exception:  # the next message may be fine
            logger.exception("A text was not embedded")
        finally:
            connection.close()  # this thread's connection; usually there is none

    def _run_task(self, arguments: Mapping[str, object], headers: Mapping[str, str]) -> None:
        task = self.app.tasks[headers["task"]]
        task.push_request(**headers)
        try:
            task.run(**arguments)
        finally:
            task.pop_request()


def _is_expired(headers: Mapping[str, str]) -> bool:
    expires = headers.get("expires")
    return isinstance(expires, str) and datetime.fromisoformat(expires) < datetime.now(UTC)
