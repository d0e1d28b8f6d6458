"""A real web process, and a reader of its event streams."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from django.db import connection

from smimso.local.supervisor import Program
from tests.conftest import running, wait_until


@contextmanager
def web_process(name: str, logs: Path) -> Iterator[str]:
    """Run a site on the test's database and Redis; yield its URL."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "SMIMSO_TEST_DATABASE": connection.settings_dict["NAME"],
        "SMIMSO_LOG_LEVEL": "INFO",
        "SMIMSO_AI_TIMEOUT": "120",  # a test machine may be busy
    }
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "uvicorn", "tests.notifications.server:application"]
    command += ["--port", str(port), "--timeout-graceful-shutdown", "1"]
    with running(Program(name=name, command=command, environment=environment), logs) as process:
        wait_until(lambda: _answers(url), process, seconds=300)
        yield url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/health", timeout=60).status_code == 200
    except httpx.TransportError:
        return False


class Stream:
    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def line(self) -> str:
        return next(line for line in self._lines if line)

    def event(self) -> dict[str, Any]:
        """Return the next event that is not a heartbeat."""
        line = next(line for line in self._lines if line.startswith("data: "))
        event: dict[str, Any] = json.loads(line.removeprefix("data: "))
        return event

    def rest(self) -> list[str]:
        return list(self._lines)
