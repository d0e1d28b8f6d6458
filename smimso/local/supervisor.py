"""Keeps a set of programs running with circus: starts, watches, restarts and stops them."""

import asyncio
import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from circus.arbiter import Arbiter
from circus.exc import ConflictError
from circus.process import DEAD_OR_ZOMBIE, RUNNING, Process
from circus.stream import FileStream
from circus.watcher import Watcher
from tornado.ioloop import IOLoop

from smimso.local.servers import CannotStart
from smimso.mail import LINE_PREFIX

CHILD_SCRIPT = Path(__file__).with_name("child.py")
MAX_LOG_BYTES = 5 * 1024 * 1024
LOG_COPIES = 2
MIN_UPTIME = 30.0  # who ran this long did not fail at its start
MAX_BACKOFF_SECONDS = 30.0


@dataclass(frozen=True)
class Program:
    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    user: str | None = None
    nice: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL  # when the supervisor itself was killed
    stop_seconds: float = 10.0  # then SIGKILL
    is_backing_service: bool = False  # stopped only after everything that stands on it

    def child_command(self, *, wait: float = 0.0) -> list[str]:
        """The command line that makes it die with this process."""
        options = ["--parent", str(os.getpid()), "--death-signal", self.death_signal.name]
        options += ["--nice", str(self.nice), "--wait", str(wait)]
        if self.user:
            options += ["--user", self.user]
        return [sys.executable, "-I", "-S", str(CHILD_SCRIPT), *options, "--", *self.command]


class _Process(Process):
    @property
    def status(self) -> Any:
        """circus forgets a zombie, and starts the next one without a word to any hook.

        A program with threads is a zombie from the end of its first thread on, but can be waited
        for only when the last one is gone: until then it has not ended.
        """
        status = super().status
        return RUNNING if status == DEAD_OR_ZOMBIE else status


class _Watcher(Watcher):
    @property
    def _process_class(self) -> type[Process]:
        return _Process


class _Arbiter(Arbiter):
    def add_watcher(self, name: str, cmd: str, **options: Any) -> Watcher:
        watcher = _Watcher(name, cmd, **options)
        watcher.initialize(self.evpub_socket, self.sockets, self)
        self.watchers.append(watcher)
        self._watchers_names[name.lower()] = watcher
        return watcher

    def manage_watchers(self) -> Any:
        """circus's own check, every half second; it has to wait while a command runs."""
        try:
            return super().manage_watchers()
        except ConflictError:
            return None

    def reap_processes(self) -> None:
        """circus waits for any child, and would take the exit codes of `Supervisor.run`."""
        for watcher in self.iter_watchers():
            for pid in list(watcher.processes):
                try:
                    ended, status = os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    watcher.reap_process(pid)
                else:
                    if ended:
                        watcher.reap_process(pid, status)


class _Log(FileStream):
    """A rotating file; letters, and when it is `verbose` all else, go to the terminal too."""

    def __init__(self, path: Path, name: str, log: Callable[[str], None], *, verbose: bool) -> None:
        super().__init__(filename=str(path), max_bytes=MAX_LOG_BYTES, backup_count=LOG_COPIES)
        self._name = name
        self._log = log
        self._verbose = verbose
        self._unfinished = b""

    def __call__(self, data: dict[str, Any]) -> None:
        super().__call__(data)
        *lines, self._unfinished = (self._unfinished + data["data"]).split(b"\n")
        for line in (line.decode(errors="replace") for line in lines):
            if line.startswith(LINE_PREFIX):
                self._log(line)
            elif self._verbose:
                self._log(f"{self._name}: {line}")


class Supervisor:
    """Lives in a running asyncio loop, on the main thread.

    `log` takes one line for the operator; `inherited_fd` is a file descriptor that every child
    keeps open (and whatever is locked through it keeps locked).
    """

    def __init__(
        self, logs: Path, *, log: Callable[[str], None], inherited_fd: int, verbose: bool = False
    ) -> None:
        self.logs = logs
        self._log = log
        self._inherited_fd = inherited_fd
        self._verbose = verbose
        self._programs: dict[str, Program] = {}
        self._logs: list[_Log] = []
        self._started: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        # Told what happens by hooks, not over its sockets: those stay inside this process.
        logging.getLogger("circus").setLevel(logging.CRITICAL)
        names = [f"inproc://{uuid4()}" for _ in range(2)]  # an earlier one's may still be open
        self._arbiter = _Arbiter([], *names, check_delay=0.5, loop=IOLoop.current())

    async def open(self) -> None:
        os.set_inheritable(self._inherited_fd, True)
        await self._arbiter.start()

    async def start(self, *programs: Program) -> None:
        for program in programs:
            path = self.log_path(program.name)
            log = _Log(path, program.name, self._log, verbose=self._verbose)
            launch = program.child_command()
            self._programs[program.name] = program
            self._logs.append(log)
            watcher = self._arbiter.add_watcher(
                program.name,
                shlex.quote(launch[0]),
                args=launch[1:],
                env=program.environment,
                stop_signal=program.stop_signal,
                graceful_timeout=program.stop_seconds,
                stdout_stream={"stream": log},
                stderr_stream={"stream": log},
                use_sockets=True,  # that is: let it inherit file descriptors
                priority=int(program.is_backing_service),
                hooks={
                    "after_spawn": (self._note_start, True),
                    "after_reap": (self._note_end, True),
                },
            )
            await self._alone(watcher.start)

    async def run(self, program: Program, *, on_line: Callable[[str], None]) -> int:
        """Runs a program that ends by itself; `on_line` gets its lines. The exit code."""
        process = await asyncio.create_subprocess_exec(
            *program.child_command(),
            env=program.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[self._inherited_fd],
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101 (it is a pipe)
        try:
            with self.log_path(program.name).open("ab") as log:
                async for line in process.stdout:
                    log.write(line)
                    log.flush()
                    on_line(line.decode(errors="replace").rstrip())
            return await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise

    async def close(self) -> None:
        """Stops everything: first what stands on the servers, then the servers."""
        standing = [watcher for watcher in self._watchers() if not watcher.priority]
        await self._alone(
            lambda: self._arbiter.stop_watchers(watcher_iter_func=lambda reverse: standing)
        )
        await self._alone(self._arbiter.stop)
        for log in self._logs:
            log.close()

    async def wait_until(
        self, answers: Callable[[], bool], program: Program | None, *, what: str, seconds: float
    ) -> None:
        """Waits until `answers()` (called on a thread) is true.

        Raises CannotStart after `seconds`, or when the program has failed three times.
        """
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(answers):
            failed = program is not None and self._failures.get(program.name, 0) >= 3
            if failed or time.monotonic() > deadline:
                reason = "fails at its start" if failed else f"gave no answer in {seconds:.0f} s"
                raise CannotStart(f"{what} {reason}.{self._last_log_line(program)}")
            await asyncio.sleep(0.1)

    def log_path(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _watchers(self) -> Iterable[Watcher]:
        return self._arbiter.iter_watchers()

    async def _alone(self, command: Callable[[], Any]) -> Any:
        """circus refuses a command while another one, or its own check, is in progress."""
        while True:
            try:
                return await command()
            except ConflictError:
                await asyncio.sleep(0.01)

    def _last_log_line(self, program: Program | None) -> str:
        if program is None:
            return ""
        path = self.log_path(program.name)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return f" Its last line was: {last} (more in {path})"

    def _note_start(self, *, watcher: Watcher, **_: Any) -> bool:
        self._started[watcher.name] = time.monotonic()
        return True

    def _note_end(self, *, watcher: Watcher, exit_code: int | None, **_: Any) -> bool:
        """Says that a program ended by itself, and makes the next start wait if it often does."""
        if watcher.is_stopping() or watcher.is_stopped():
            return True
        name = watcher.name
        lived = time.monotonic() - self._started.get(name, 0.0)
        failures = 1 if lived > MIN_UPTIME else self._failures.get(name, 0) + 1
        self._failures[name] = failures
        pause = 0.0 if failures == 1 else min(MAX_BACKOFF_SECONDS, 2.0 ** (failures - 2))
        watcher.args = self._programs[name].child_command(wait=pause)[1:]
        when = f" in {pause:.0f} s" if pause else ""
        self._log(
            f"{name} {_exit_reason(exit_code)}; starting it again{when} ({self.log_path(name)})"
        )
        return True


def _exit_reason(exit_code: int | None) -> str:
    if exit_code is None:
        return "ended"
    if exit_code < 0:
        return f"was killed ({signal.Signals(-exit_code).name})"
    return f"ended with exit code {exit_code}"
