"""`manage.py up`: run all of SMIMSO on this machine until Ctrl-C."""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import time
from argparse import ArgumentParser
from collections.abc import Awaitable
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.management.base import BaseCommand

from smimso import metrics
from smimso.local.servers import CannotStart, socket_directory

MAX_PREVIOUS_SECONDS = 30.0  # time for the programs of a killed `up` to end


class Command(BaseCommand):
    help = "Run all of SMIMSO (PostgreSQL, Redis, web, workers, beat) until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--demo", action="store_true", help="use the bundled models and demo content"
        )
        parser.add_argument("--demo-posts", type=int, help="number of posts of the demo")
        parser.add_argument("--without-ai", action="store_true", help="start no AI workers")
        parser.add_argument("--verbose", action="store_true", help="print the logs of all programs")

    def handle(
        self,
        *args: object,
        demo: bool,
        demo_posts: int | None,
        without_ai: bool,
        verbose: bool,
        **options: object,
    ) -> None:
        self.started = time.monotonic()
        data_dir: Path = settings.DATA_DIR
        host = os.environ.get("SMIMSO_HOST") or "127.0.0.1"
        port = parse_port(os.environ.get("PORT") or "5000")
        with (
            open_lock(data_dir / "up.lock") as own_lock,
            open_lock(data_dir / "children.lock") as children_lock,
        ):
            if not try_lock(own_lock):
                raise CannotStart(f"{data_dir} is in use: SMIMSO already runs on it.")
            self.wait_for_previous(children_lock, data_dir)
            require_free_port(host, port)
            (data_dir / "logs").mkdir(exist_ok=True)
            metrics.clear()
            choices = {"demo": demo, "with_ai": not without_ai, "verbose": verbose}
            asyncio.run(
                self.run(data_dir, host, port, children_lock, demo_posts=demo_posts, **choices)
            )

    async def run(
        self,
        data_dir: Path,
        host: str,
        port: int,
        children_lock: IO[str],
        *,
        demo: bool,
        demo_posts: int | None,
        with_ai: bool,
        verbose: bool,
    ) -> None:
        from smimso.local.launcher import Stack, connectable_host
        from smimso.local.processes import demo_environment
        from smimso.local.supervisor import Supervisor

        always = {"SMIMSO_DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"}
        defaults = demo_environment() if demo else {}
        stack = Stack(
            data_dir=data_dir,
            host=host,
            port=port,
            environment=defaults | dict(os.environ) | always,
            with_ai=with_ai,
            demo=demo,
            demo_posts=demo_posts,
            log=self.log,
        )
        supervisor = Supervisor(
            data_dir / "logs",
            log=self.log,
            inherited_fd=children_lock.fileno(),
            verbose=verbose,
        )
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            if await run_until_stopped(stack.start(supervisor), stop):
                url = f"http://{connectable_host(host)}:{port}/"
                self.log(f"SMIMSO is ready: {url} (Ctrl-C stops it)")
                await run_until_stopped(stack.start_background(supervisor), stop)
                await stop.wait()
            self.log("Stopping")
        finally:
            await supervisor.close()
            # The servers remove their sockets, unless one of them was killed.
            shutil.rmtree(socket_directory(data_dir), ignore_errors=True)
        self.log("Stopped")

    def log(self, line: str) -> None:
        self.stdout.write(f"{time.monotonic() - self.started:5.1f} s  {line}")
        self.stdout.flush()

    def wait_for_previous(self, lock: IO[str], data_dir: Path) -> None:
        """Wait until the programs of a killed `up`, which all hold this lock, have ended."""
        deadline = time.monotonic() + MAX_PREVIOUS_SECONDS
        while not try_lock(lock):
            if time.monotonic() > deadline:
                raise CannotStart(f"{data_dir} is in use by programs of an earlier start.")
            time.sleep(0.1)
        fcntl.flock(lock, fcntl.LOCK_SH)


async def run_until_stopped(work: Awaitable[None], stop: asyncio.Event) -> bool:
    """Run `work` until `stop` is set, then cancel it; return whether it finished.

    Raises what `work` raises.
    """
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
            return True
        return False
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def open_lock(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
    except OSError as error:
        raise CannotStart(f"{path.parent} cannot be written: {error.strerror}") from error


def try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def parse_port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise CannotStart(f"PORT is {text!r}: it must be a number from 1 to 65535.")
    return int(text)


def require_free_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(
                f"Port {port} on {host} is not free ({error.strerror}); PORT names another."
            ) from error
