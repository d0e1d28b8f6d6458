"""A small process supervisor: start programs, restart them when they end, stop them in order."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from logging import makeLogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import cast

from smimso.local.servers import CannotStart
from smimso.mail import LINE_PREFIX

CHILD_SCRIPT = Path(__file__).with_name("child.py")
MAX_LOG_BYTES = 5 * 1024 * 1024
LOG_COPIES = 2
MIN_UPTIME = 30.0  # seconds; a program that ran longer did not fail at its start
MAX_BACKOFF_SECONDS = 30.0
MAX_FAILURES = 3  # in a row, until `wait_until` gives up
OUTPUT_SECONDS = 1.0  # for the last lines of a program whose own children keep its output open

LineCallback = Callable[[str], object]


@dataclass(frozen=True)
class Program:
    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    user: str | None = None
    nice: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL  # sent if the supervisor itself is killed
    stop_seconds: float = 10.0  # then SIGKILL
    is_backing_service: bool = False  # stopped after the programs that use it

    def child_command(self) -> list[str]:
        """Return the command line that makes the program die with this process."""
        options = ["--parent", str(os.getpid()), "--death-signal", self.death_signal.name]
        options += ["--nice", str(self.nice)]
        if self.user:
            options += ["--user", self.user]
        return [sys.executable, "-I", "-S", str(CHILD_SCRIPT), *options, "--", *self.command]


class Supervisor:
    """Supervise programs from the asyncio loop of the main thread.

    logs: the directory of their rotating log files. log: takes a line for the operator: restarts,
    e-mails (smimso.mail) and, if verbose, everything that the programs print. inherited_fd: a file
    descriptor that every program keeps open, with the locks held through it.
    """

    def __init__(
        self, logs: Path, *, log: LineCallback, inherited_fd: int, verbose: bool = False
    ) -> None:
        self.logs = logs
        self._log = log
        self._inherited_fd = inherited_fd
        self._verbose = verbose
        self._services: dict[str, _Service] = {}

    def start(self, *programs: Program) -> None:
        """Start programs that run until `close`; each is restarted whenever it ends."""
        for program in programs:
            self._services[program.name] = _Service(
                program,
                self.log_path(program.name),
                log=self._log,
                on_line=partial(self._show_line, program.name),
                inherited_fd=self._inherited_fd,
            )

    async def run(self, program: Program, *, on_line: LineCallback) -> int:
        """Run a program that ends by itself and return its exit code; `on_line` gets its lines."""
        with closing(_LogFile(self.log_path(program.name), on_line)) as log_file:
            process = await _spawn(program, log_file.write, self._inherited_fd)
            try:
                return await process.wait()
            except asyncio.CancelledError:
                await process.stop(signal.SIGKILL, 0)
                raise

    async def close(self) -> None:
        """Stop the programs, then the backing services that they use."""
        for is_backing in (False, True):
            group = [each for each in self._services.values() if each.is_backing is is_backing]
            await asyncio.gather(*(service.stop() for service in group))

    async def wait_until(
        self, is_ready: Callable[[], bool], program: Program | None, *, what: str, seconds: float
    ) -> None:
        """Wait until `is_ready()`, which is called on a thread, returns true.

        Raises CannotStart after `seconds`, or when the program has failed MAX_FAILURES times.
        """
        deadline = time.monotonic() + seconds
        service = self._services[program.name] if program else None
        while not await asyncio.to_thread(is_ready):
            has_failed = service is not None and service.failures >= MAX_FAILURES
            if has_failed or time.monotonic() > deadline:
                reason = (
                    "fails at its start" if has_failed else f"gave no answer in {seconds:.0f} s"
                )
                raise CannotStart(f"{what} {reason}.{self._last_log_line(program)}")
            await asyncio.sleep(0.1)

    def log_path(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _show_line(self, name: str, line: str) -> None:
        if line.startswith(LINE_PREFIX):
            self._log(line)
        elif self._verbose:
            self._log(f"{name}: {line}")

    def _last_log_line(self, program: Program | None) -> str:
        if program is None:
            return ""
        path = self.log_path(program.name)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return f" Its last line was: {last} (more in {path})"


class _Service:
    """A program that runs until `stop`: restarted when it ends, ever more slowly if it fails.

    failures: how often in a row it ended before MIN_UPTIME.
    """

    def __init__(
        self,
        program: Program,
        log_path: Path,
        *,
        log: LineCallback,
        on_line: LineCallback,
        inherited_fd: int,
    ) -> None:
        self.is_backing = program.is_backing_service
        self.failures = 0
        self._program = program
        self._log_path = log_path
        self._log_file = _LogFile(log_path, on_line)
        self._log = log
        self._inherited_fd = inherited_fd
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        self._stopping.set()
        await self._task

    async def _keep_running(self) -> None:
        with closing(self._log_file):
            while not self._stopping.is_set():
                started = time.monotonic()
                reason = await self._run_once()
                if self._stopping.is_set():
                    return
                was_up = time.monotonic() - started > MIN_UPTIME
                self.failures = 1 if was_up else self.failures + 1
                pause = _backoff_seconds(self.failures)
                when = f" in {pause:.0f} s" if pause else ""
                name, path = self._program.name, self._log_path
                self._log(f"{name} {reason}; starting it again{when} ({path})")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)

    async def _run_once(self) -> str:
        """Run the program until it ends or is to stop; return the reason of its end."""
        try:
            process = await _spawn(self._program, self._log_file.write, self._inherited_fd)
        except OSError as error:
            return f"could not be started ({error})"
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            await process.stop(self._program.stop_signal, self._program.stop_seconds)
        return _exit_reason(await ended)


def _backoff_seconds(failures: int) -> float:
    return 0.0 if failures == 1 else min(MAX_BACKOFF_SECONDS, 2.0 ** (failures - 2))


def _exit_reason(exit_code: int) -> str:
    if exit_code < 0:
        return f"was killed ({signal.Signals(-exit_code).name})"
    return f"ended with exit code {exit_code}"


# --- Processes --------------------------------------------------------------------------------


class _Process(asyncio.SubprocessProtocol):
    """One run of a program. `on_line` gets each line that it prints."""

    def __init__(self, on_line: LineCallback) -> None:
        self._on_line = on_line
        self._unfinished = b""
        self._ended = asyncio.Event()
        self._output_ended = asyncio.Event()

    async def wait(self) -> int:
        """Wait for the end, and for the lines printed before it; return the exit code."""
        await self._ended.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._output_ended.wait(), OUTPUT_SECONDS)
        self._transport.close()
        return cast(int, self._transport.get_returncode())

    async def stop(self, number: signal.Signals, seconds: float) -> None:
        """Send the signal, and SIGKILL if the process has not ended after `seconds`."""
        for each, patience in ((number, seconds), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError):
                self._transport.send_signal(each)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), patience)
                return

    # --- asyncio.SubprocessProtocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            self._on_line(line.decode(errors="replace"))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if self._unfinished:
            self._on_line(self._unfinished.decode(errors="replace"))
        self._output_ended.set()

    def process_exited(self) -> None:
        self._ended.set()


async def _spawn(program: Program, on_line: LineCallback, inherited_fd: int) -> _Process:
    """Start a process. Raises OSError.

    asyncio waits for it on a thread until its last thread is gone, which may be long after the
    first one ended: until then a new start would meet its locks and its port.
    """
    _, process = await asyncio.get_running_loop().subprocess_exec(
        partial(_Process, on_line),
        *program.child_command(),
        env=program.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=[inherited_fd],
        start_new_session=True,  # Ctrl-C is for the supervisor alone
    )
    return process


class _LogFile:
    """A rotating file; each line also goes to `on_line`."""

    def __init__(self, path: Path, on_line: LineCallback) -> None:
        self._on_line = on_line
        self._handler = RotatingFileHandler(
            path, maxBytes=MAX_LOG_BYTES, backupCount=LOG_COPIES, encoding="utf-8"
        )

    def write(self, line: str) -> None:
        self._handler.emit(makeLogRecord({"msg": line}))
        self._on_line(line)

    def close(self) -> None:
        self._handler.close()
