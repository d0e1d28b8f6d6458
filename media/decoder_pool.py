"""Processes that decode the files of members, each within limits of time and memory.

A process that exceeds its limits, or crashes, is replaced; only the file that it was decoding is
refused. Members take turns: one of them never occupies all processes, so that the files of one do
not delay those of another.
"""

import logging
import multiprocessing
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pebble import ProcessExpired, ProcessPool

from media.decoder_process import limit_process, run_limited
from media.limits import MAX_DECODE_MEMORY, MAX_DECODE_SECONDS, RefusedImage
from smimso.machine import available_cores, available_memory

logger = logging.getLogger(__name__)

MAX_WAITING = 200  # files of all members
MAX_WAITING_PER_OWNER = 40  # four posts of ten pictures
MAX_WAIT_SECONDS = 60.0  # for all files of a request
RETRY_AFTER_SECONDS = 5

T = TypeVar("T")


class DecodersBusy(Exception):
    """Too many files are waiting, or they wait for too long."""


def count_processes() -> int:
    """Return one more than the cores, limited by memory: at most a quarter of it is for decoding.

    One member has as many as there are cores, and others never wait for them.
    """
    return max(2, min(available_cores() + 1, available_memory() // (4 * MAX_DECODE_MEMORY)))


@dataclass
class _Task(Generic[T]):
    owner: Hashable
    function: Callable[..., T]
    arguments: Sequence[object]
    future: Future[T]
    is_repeated: bool = False


class DecoderPool:
    """A pool of `size` processes, of which one owner has at most `size` - 1 at a time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._processes: ProcessPool | None = None
        self._waiting: OrderedDict[Hashable, deque[_Task[Any]]] = OrderedDict()
        self._running: Counter[Hashable] = Counter()

    def map(
        self, owner: Hashable, function: Callable[..., T], arguments: Sequence[Sequence[object]]
    ) -> list[Future[T]]:
        """Call `function` in the processes once for each of the arguments; return the futures.

        owner: who waits for the results. Raises DecodersBusy; then nothing is called. A future
        raises RefusedImage, and the errors of the function.
        """
        tasks = [_Task(owner, function, each, Future()) for each in arguments]
        with self._lock:
            queue = self._waiting.get(owner, deque())
            if len(queue) + len(tasks) > MAX_WAITING_PER_OWNER:
                raise DecodersBusy
            if sum(map(len, self._waiting.values())) + len(tasks) > MAX_WAITING:
                raise DecodersBusy
            self._waiting.setdefault(owner, queue).extend(tasks)
        self._start_tasks()
        return [task.future for task in tasks]

    def stop(self) -> None:
        """Stop the processes; tasks that are running or waiting are never done."""
        with self._lock:
            if self._processes is not None:
                self._processes.stop()
                self._processes.join()
                self._processes = None

    def _start_tasks(self) -> None:
        while (task := self._next_task()) is not None:
            self._start(task)

    def _next_task(self) -> _Task[Any] | None:
        """Take the first task of the owner whose turn it is; None if nobody can start one."""
        with self._lock:
            if self._running.total() >= self._size:
                return None
            for owner, queue in self._waiting.items():
                if self._running[owner] >= self._size - 1:
                    continue
                task = queue.popleft()
                del self._waiting[owner]
                if queue:
                    self._waiting[owner] = queue  # behind the others
                self._running[owner] += 1
                return task
        return None

    def _start(self, task: _Task[T]) -> None:
        if not task.is_repeated and not task.future.set_running_or_notify_cancel():
            self._release(task)
            return
        try:
            running = self._started_processes().schedule(
                run_limited, [task.function, *task.arguments], timeout=MAX_DECODE_SECONDS
            )
        except RuntimeError as error:  # the processes cannot be started
            self._release(task)
            task.future.set_exception(error)
        else:
            running.add_done_callback(lambda done: self._finish(task, done))

    def _started_processes(self) -> ProcessPool:
        with self._lock:
            if self._processes is not None and not self._processes.active:
                self._processes.join()
                self._processes = None
            if self._processes is None:
                context = multiprocessing.get_context("forkserver")
                context.set_forkserver_preload(["media.decoder_process"])
                self._processes = ProcessPool(
                    self._size, initializer=limit_process, context=context
                )
            return self._processes

    def _finish(self, task: _Task[T], done: "Future[T]") -> None:
        error = done.exception()
        if isinstance(error, BrokenProcessPool) and not task.is_repeated:
            task.is_repeated = True  # an idle process was killed; the pool is started again
            self._start(task)
            return
        self._release(task)
        if error is None:
            task.future.set_result(done.result())
        elif isinstance(error, TimeoutError | ProcessExpired):
            logger.warning("A file was refused because its decoder was stopped: %r", error)
            task.future.set_exception(RefusedImage("image_too_complex"))
        else:
            task.future.set_exception(error)
        self._start_tasks()

    def _release(self, task: _Task[Any]) -> None:
        with self._lock:
            self._running[task.owner] -= 1
            self._running += Counter()  # forgets owners without a running task
