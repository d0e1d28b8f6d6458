"""Programs that fail are started again, ever more slowly, and said so."""

import asyncio
import platform
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from smimso.local.servers import CannotStart
from smimso.local.supervisor import Program, Supervisor

EXIT_THREAD = {"x86_64": 60, "aarch64": 93}  # system call `exit`: of the calling thread alone


def python(name: str, code: str) -> Program:
    return Program(name=name, command=[sys.executable, "-c", code])


def supervised(
    logs: Path, work: Callable[[Supervisor], Awaitable[None]], *, verbose: bool = False
) -> list[str]:
    """Runs `work` with a supervisor; what was said."""
    said: list[str] = []

    async def run() -> None:
        with (logs / "lock").open("w") as lock:
            supervisor = Supervisor(
                logs, log=said.append, inherited_fd=lock.fileno(), verbose=verbose
            )
            await supervisor.open()
            try:
                await work(supervisor)
            finally:
                await supervisor.close()

    asyncio.run(run())
    return said


def test_a_program_that_fails_at_its_start_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    broken = python("broken", "raise SystemExit('no such thing')")

    async def work(supervisor: Supervisor) -> None:
        await supervisor.start(broken)
        with pytest.raises(CannotStart, match=r"fails at its start.* no such thing .*broken.log"):
            await supervisor.wait_until(lambda: False, broken, what="It", seconds=300)

    said = supervised(tmp_path, work)
    log = tmp_path / "broken.log"
    assert said[:3] == [
        f"broken ended with exit code 1; starting it again ({log})",
        f"broken ended with exit code 1; starting it again in 1 s ({log})",
        f"broken ended with exit code 1; starting it again in 2 s ({log})",
    ]


def test_a_program_that_never_answers_is_given_up_after_a_while(tmp_path: Path) -> None:
    silent = python("silent", "import time; time.sleep(60)")

    async def work(supervisor: Supervisor) -> None:
        await supervisor.start(silent)
        with pytest.raises(CannotStart, match="It gave no answer in 0 s"):
            await supervisor.wait_until(lambda: False, silent, what="It", seconds=0.3)

    assert supervised(tmp_path, work) == []


def test_a_program_that_ends_by_itself_gives_its_lines_and_its_exit_code(tmp_path: Path) -> None:
    lines: list[str] = []
    codes: list[int] = []

    async def work(supervisor: Supervisor) -> None:
        once = python("once", "print('one'); print('two'); raise SystemExit(3)")
        codes.append(await supervisor.run(once, on_line=lines.append))

    supervised(tmp_path, work)
    assert (lines, codes) == (["one", "two"], [3])
    assert (tmp_path / "once.log").read_text() == "one\ntwo\n"


def test_verbose_shows_what_the_programs_log(tmp_path: Path) -> None:
    talking = python("talking", "import time; print('hello', flush=True); time.sleep(60)")

    async def work(supervisor: Supervisor) -> None:
        await supervisor.start(talking)
        log = supervisor.log_path("talking")
        await supervisor.wait_until(
            lambda: log.read_text() == "hello\n", talking, what="It", seconds=300
        )

    assert supervised(tmp_path, work, verbose=True) == ["talking: hello"]


def test_letters_are_always_shown(tmp_path: Path) -> None:
    code = """
        import time
        from django.conf import settings
        settings.configure(DEFAULT_FROM_EMAIL="a@b", EMAIL_BACKEND="smimso.mail.TerminalBackend")
        from django.core.mail import send_mail
        print("hello")
        send_mail("Chào", "một\\nhai", None, ["c@d"])
        time.sleep(60)
    """
    postman = python("postman", textwrap.dedent(code))

    async def work(supervisor: Supervisor) -> None:
        await supervisor.start(postman)
        log = supervisor.log_path("postman")
        await supervisor.wait_until(
            lambda: "hai" in log.read_text(), postman, what="It", seconds=300
        )

    lines = ["To: c@d", "Subject: Chào", "", "một", "hai"]
    assert supervised(tmp_path, work) == [f"mail: {line}" for line in lines]


def test_a_program_whose_threads_outlive_its_first_one_is_started_again_when_all_are_gone(
    tmp_path: Path,
) -> None:
    # As with every killed program of many threads on a busy machine, only for longer.
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
        await supervisor.start(dying)
        log = supervisor.log_path("dying")
        started = "started\nstarted\n"
        await supervisor.wait_until(
            lambda: log.read_text() == started, dying, what="It", seconds=300
        )

    said = supervised(tmp_path, work)
    assert said == [f"dying ended with exit code 5; starting it again ({tmp_path / 'dying.log'})"]
