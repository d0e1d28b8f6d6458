"""Programs are restarted when they end, ever more slowly if they fail, and stopped in order."""

import asyncio
import platform
import signal
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from smimso.local import supervisor as supervisor_module
from smimso.local.servers import CannotStart
from smimso.local.supervisor import Program, Supervisor

EXIT_THREAD = {"x86_64": 60, "aarch64": 93}  # system call `exit`: of the calling thread alone


def python(name: str, code: str) -> Program:
    return Program(name=name, command=[sys.executable, "-c", code])


def supervise(
    logs: Path, work: Callable[[Supervisor], Awaitable[None]], *, verbose: bool = False
) -> list[str]:
    """Run `work` with a supervisor and return the lines that it logged."""
    lines: list[str] = []

    async def run() -> None:
        with (logs / "lock").open("w") as lock:
            supervisor = Supervisor(
                logs, log=lines.append, inherited_fd=lock.fileno(), verbose=verbose
            )
            try:
                await work(supervisor)
            finally:
                await supervisor.close()

    asyncio.run(run())
    return lines


def test_a_program_that_fails_at_its_start_is_given_up_with_its_last_line(tmp_path: Path) -> None:
    broken = python("broken", "raise SystemExit('no such thing')")

    async def work(supervisor: Supervisor) -> None:
        supervisor.start(broken)
        with pytest.raises(CannotStart, match=r"fails at its start.* no such thing .*broken.log"):
            await supervisor.wait_until(lambda: False, broken, what="It", seconds=300)

    lines = supervise(tmp_path, work)
    log = tmp_path / "broken.log"
    assert lines[:3] == [
        f"broken ended with exit code 1; starting it again ({log})",
        f"broken ended with exit code 1; starting it again in 1 s ({log})",
        f"broken ended with exit code 1; starting it again in 2 s ({log})",
    ]


def test_a_program_that_never_answers_is_given_up_after_a_while(tmp_path: Path) -> None:
    silent = python("silent", "import time; time.sleep(60)")

    async def work(supervisor: Supervisor) -> None:
        supervisor.start(silent)
        with pytest.raises(CannotStart, match="It gave no answer in 0 s"):
            await supervisor.wait_until(lambda: False, silent, what="It", seconds=0.3)

    assert supervise(tmp_path, work) == []


def test_run_returns_the_lines_and_the_exit_code_of_a_program(tmp_path: Path) -> None:
    lines: list[str] = []
    codes: list[int] = []

    async def work(supervisor: Supervisor) -> None:
        once = python("once", "print('one'); print('two'); raise SystemExit(3)")
        codes.append(await supervisor.run(once, on_line=lines.append))

    supervise(tmp_path, work)
    assert (lines, codes) == (["one", "two"], [3])
    assert (tmp_path / "once.log").read_text() == "one\ntwo\n"


def test_verbose_shows_the_lines_of_the_programs(tmp_path: Path) -> None:
    talking = python("talking", "import time; print('hello', flush=True); time.sleep(60)")

    async def work(supervisor: Supervisor) -> None:
        supervisor.start(talking)
        log = supervisor.log_path("talking")
        await supervisor.wait_until(
            lambda: log.read_text() == "hello\n", talking, what="It", seconds=300
        )

    assert supervise(tmp_path, work, verbose=True) == ["talking: hello"]


def test_emails_are_always_shown(tmp_path: Path) -> None:
    code = """
        import time
        from django.conf import settings
        settings.configure(DEFAULT_FROM_EMAIL="a@b", EMAIL_BACKEND="smimso.mail.TerminalBackend")
        from django.core.mail import send_mail
        print("hello")
        send_mail("Chào", "một\\nhai", None, ["c@d"])
        time.sleep(60)
    """
    mailer = python("mailer", textwrap.dedent(code))

    async def work(supervisor: Supervisor) -> None:
        supervisor.start(mailer)
        log = supervisor.log_path("mailer")
        await supervisor.wait_until(
            lambda: "hai" in log.read_text(), mailer, what="It", seconds=300
        )

    lines = ["To: c@d", "Subject: Chào", "", "một", "hai"]
    assert supervise(tmp_path, work) == [f"mail: {line}" for line in lines]


def test_a_program_whose_threads_outlive_its_first_one_is_restarted_when_all_have_ended(
    tmp_path: Path,
) -> None:
    # This happens to every killed program with many threads on a busy machine, but shorter.
    dying = python(
        "dying",
        f"""
import ctypes, os, threading, time

def last():
    time.sleep(2)
    os._exit(5)

print("started", flush=True)
threading.Thread(target=last).start()
ctypes.CDLL(None).syscall({EXIT_THREAD[platform.machine()]}, 0)
""",
    )

    async def work(supervisor: Supervisor) -> None:
        supervisor.start(dying)
        log = supervisor.log_path("dying")
        started = "started\nstarted\n"
        await supervisor.wait_until(
            lambda: log.read_text() == started, dying, what="It", seconds=300
        )

    lines = supervise(tmp_path, work)
    assert lines == [f"dying ended with exit code 5; starting it again ({tmp_path / 'dying.log'})"]


def test_backing_services_are_stopped_after_the_programs_that_use_them(tmp_path: Path) -> None:
    code = """
import signal, sys, time

def end(*_):
    time.sleep({})
    print("ended", time.monotonic(), flush=True)
    sys.exit()

signal.signal(signal.{}, end)
print("ready", flush=True)
time.sleep(60)
"""
    server = replace(
        python("server", code.format(0, "SIGINT")),
        stop_signal=signal.SIGINT,
        is_backing_service=True,
    )
    slow, quick = (python(n, code.format(s, "SIGTERM")) for n, s in (("slow", 0.5), ("quick", 0)))
    programs = [server, slow, quick]
    logs = {program.name: tmp_path / f"{program.name}.log" for program in programs}

    async def work(supervisor: Supervisor) -> None:
        supervisor.start(*programs)
        for program in programs:
            log = logs[program.name]
            await supervisor.wait_until(
                lambda log=log: log.read_text() == "ready\n", program, what="It", seconds=300
            )

    assert supervise(tmp_path, work) == []
    ends = {name: float(log.read_text().split()[-1]) for name, log in logs.items()}
    assert ends["quick"] < ends["slow"] < ends["server"]


def test_a_program_that_ignores_its_stop_signal_is_killed(tmp_path: Path) -> None:
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)"
    )
    stubborn = replace(python("stubborn", f"{code}; signal.pause()"), stop_seconds=0.2)

    async def work(supervisor: Supervisor) -> None:
        supervisor.start(stubborn)
        log = supervisor.log_path("stubborn")
        await supervisor.wait_until(
            lambda: log.read_text() == "ready\n", stubborn, what="It", seconds=300
        )

    started = time.monotonic()
    assert supervise(tmp_path, work) == []
    assert time.monotonic() - started < 60


def test_a_program_is_restarted_while_its_own_children_keep_its_output_open(tmp_path: Path) -> None:
    code = """
import os, subprocess, sys

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
os._exit(4)
"""
    parent = python("parent", code)

    async def work(supervisor: Supervisor) -> None:
        supervisor.start(parent)
        started = time.monotonic()
        with pytest.raises(CannotStart, match="fails at its start"):
            await supervisor.wait_until(lambda: False, parent, what="It", seconds=300)
        assert time.monotonic() - started < 20

    assert "parent ended with exit code 4" in supervise(tmp_path, work)[0]


def test_a_program_that_cannot_be_started_is_retried(tmp_path: Path) -> None:
    absent = replace(
        python("absent", ""), environment={"a": 200_000 * "x"}
    )  # Argument list too long

    async def work(supervisor: Supervisor) -> None:
        supervisor.start(absent)
        with pytest.raises(CannotStart, match="fails at its start"):
            await supervisor.wait_until(lambda: False, absent, what="It", seconds=300)

    assert "absent could not be started" in supervise(tmp_path, work)[0]


def test_a_log_file_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "MAX_LOG_BYTES", 1000)
    talking = python("talking", "for n in range(1000): print(n)")

    async def work(supervisor: Supervisor) -> None:
        assert await supervisor.run(talking, on_line=lambda line: None) == 0

    supervise(tmp_path, work)
    assert {path.name for path in tmp_path.glob("talking*")} == {
        *("talking.log", "talking.log.1", "talking.log.2")
    }
    assert (tmp_path / "talking.log").read_text().endswith("\n999\n")
    assert all(path.stat().st_size <= 1000 for path in tmp_path.glob("talking*"))
