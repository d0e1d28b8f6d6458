"""`manage.py up` as an operator uses it: real programs, real signals, real crashes."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from smimso.local import servers

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 300.0  # seconds; a loaded machine needs most of them


class Up:
    """One `manage.py up --without-ai` on a data directory and a port of its own."""

    def __init__(self, data_dir: Path, port: int, output: Path) -> None:
        self.data_dir = data_dir
        self.port = port
        self.output = output
        ours = (
            "SMIMSO_",
            "DATABASE_URL",
            "REDIS_URL",
            "DJANGO_",
            "SECRET_KEY",
            "JWT_SECRET",
            "EMAIL_",
        )
        others = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        with output.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--without-ai"],
                cwd=REPOSITORY,
                env=others | {"SMIMSO_DATA_DIR": str(data_dir), "PORT": str(port)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for_output(self, pattern: str) -> float:
        """Wait until the pattern was printed; return the seconds that it took."""
        started_at = time.monotonic()
        while not re.search(pattern, self.output.read_text()):
            ended = self.process.poll() is not None
            assert not ended or re.search(pattern, self.output.read_text()), self.output.read_text()
            assert time.monotonic() - started_at < PATIENCE, self.output.read_text()
            time.sleep(0.05)
        return time.monotonic() - started_at

    def children(self) -> dict[str, psutil.Process]:
        """Return the programs by name."""
        children: dict[str, psutil.Process] = {}
        for child in psutil.Process(self.process.pid).children():
            command = ""
            with suppress(psutil.Error):  # it has just ended
                command = " ".join(child.cmdline())
            for name in ("postgres", "redis-server", "uvicorn", "maintenance", "beat"):
                if name in command and "child.py" not in command:
                    children.setdefault(name, child)
        return children

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def status(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health") as response:
            return response.status


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes_using(data_dir: Path) -> list[psutil.Process]:
    """Return every process of this machine that uses the data directory."""
    sockets = str(servers.socket_directory(data_dir.resolve()))
    processes = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            environment = process.environ().get("SMIMSO_DATA_DIR", "")
        except psutil.Error:
            continue
        if str(data_dir) in (words + environment) or sockets in words:
            processes.append(process)
    return processes


def have_all_ended(data_dir: Path) -> bool:
    deadline = time.monotonic() + PATIENCE
    while processes_using(data_dir) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not processes_using(data_dir)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start_one(data_dir: Path | None = None, port: int | None = None) -> Up:
        output = tmp_path / f"output-{len(started)}.txt"
        started.append(Up(data_dir or tmp_path / "var", port or free_port(), output))
        return started[-1]

    yield start_one
    for up in started:
        if up.process.poll() is None:
            up.stop()
        shutil.rmtree(servers.socket_directory(up.data_dir.resolve()), ignore_errors=True)


def test_an_installation_survives_crashes_a_kill_and_stops_with_its_data(
    start: Callable[..., Up],
) -> None:
    up = start()
    first = up.wait_for_output("SMIMSO is ready: http://127.0.0.1:")
    up.wait_for_output("Worker maintenance answers")
    assert up.status() == 200
    assert set(up.children()) == {"postgres", "redis-server", "uvicorn", "maintenance", "beat"}
    is_refused_while_another_runs(start)

    for name, program in (("uvicorn", "web"), ("redis-server", "redis"), ("postgres", "postgres")):
        before = up.children()[name]
        before.kill()
        up.wait_for_output(rf"{program} was killed \(SIGKILL\); starting it again")
        wait_for(lambda name=name, before=before: up.children().get(name) not in (None, before))
    wait_for(lambda: is_healthy(up))
    up.process.kill()
    up.process.wait()

    after_kill = start()  # while the children of the first are still on their way out
    after_kill.wait_for_output("SMIMSO is ready")
    assert after_kill.stop(signal.SIGINT) == 0
    assert after_kill.output.read_text().endswith("Stopped\n")
    assert have_all_ended(after_kill.data_dir)

    after_stop = start()
    # Ten seconds on an idle machine; on a busy one, never longer than with a database to make.
    assert after_stop.wait_for_output("SMIMSO is ready") < max(10, first)
    for again in (after_kill, after_stop):
        assert "Creating a new database" not in again.output.read_text()
    assert after_stop.stop() == 0
    assert have_all_ended(after_stop.data_dir)


def is_refused_while_another_runs(start: Callable[..., Up]) -> None:
    second = start()
    assert second.process.wait(PATIENCE) == 1
    [line] = second.output.read_text().splitlines()
    assert f"{second.data_dir} is in use" in line


def test_it_stops_cleanly_in_the_middle_of_a_start(start: Callable[..., Up]) -> None:
    up = start()
    up.wait_for_output("Creating a new database")
    assert up.stop(signal.SIGINT) == 0
    assert have_all_ended(up.data_dir)


def test_a_busy_port_is_named(start: Callable[..., Up]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        up = start(port=server.getsockname()[1])
        assert up.process.wait(PATIENCE) == 1
    [line] = up.output.read_text().splitlines()
    assert f"Port {up.port} on 127.0.0.1 is not free" in line
    assert "PORT names another" in line


def test_a_data_directory_that_cannot_be_written_is_named(
    start: Callable[..., Up], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    up = start(data_dir=tmp_path / "file" / "var")
    assert up.process.wait(PATIENCE) == 1
    [line] = up.output.read_text().splitlines()
    assert line.startswith(f"manage.py: The data directory {tmp_path / 'file' / 'var'} cannot be")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_healthy(up: Up) -> bool:
    try:
        return up.status() == 200
    except OSError:
        return False
