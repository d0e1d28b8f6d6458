"""A whole installation, as `manage.py up` runs it, on a Redis that a test may stop."""

import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil

from ai.demo_models.drawing import draw_scene
from ai.demo_models.scenes import Scene
from smimso.local import servers

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 300.0  # seconds; a loaded machine may need many of them, an idle one needs few
# Prefixes of the variables that the settings of the other tests set.
FOREIGN = ("SMIMSO_", "DATABASE_URL", "REDIS_URL", "DJANGO_", "SECRET_KEY", "JWT_", "HF_", "EMAIL_")


class RedisServer:
    """An embedded Redis that outlives `stop` with its data."""

    def __init__(self, directory: Path) -> None:
        self.data_dir = directory
        directory.mkdir()
        servers.prepare_directories(directory, None)
        self.start()

    @property
    def url(self) -> str:
        return servers.redis_url(self.data_dir)

    def start(self) -> None:
        self._process = subprocess.Popen(
            servers.redis_command(self.data_dir), stdout=subprocess.DEVNULL
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@dataclass
class Site:
    url: str
    process: subprocess.Popen[str]
    redis: RedisServer
    data_dir: Path
    last_worker: str  # the start is complete when it answers
    log: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if f"Worker {self.last_worker} answers" in line:
                self.ready.set()

    def pid_of(self, program: str) -> int:
        """Return the id of the newest process of that name (`bulk`, `interactive`, `web`, …)."""
        words = {"web": "uvicorn"}.get(program, f"{program}@smimso")
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):  # it ended in between
                if words in " ".join(child.cmdline()):
                    return child.pid
        raise LookupError(program)

    def wait_for_line(self, *words: str, seconds: float = 60) -> str:
        """Return the first line of output that contains all the words; wait for it."""
        deadline = time.monotonic() + seconds
        while True:
            for line in list(self.log):
                if all(word in line for word in words):
                    return line
            assert time.monotonic() < deadline, f"no line with {words} in:\n" + "".join(self.log)
            time.sleep(0.1)

    def get(self, path: str, token: str = "", **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, headers=_bearer(token), timeout=PATIENCE, **options)

    def post(self, path: str, token: str = "", **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, headers=_bearer(token), timeout=PATIENCE, **options)

    def register(self, first_name: str) -> str:
        """Register a member and return the token."""
        email = f"{first_name.lower()}-{uuid4().hex[:8]}@example.test"
        form = {"email": email, "password": "secret-1", "first_name": first_name}
        answer = self.post("/api/auth/register", json={**form, "last_name": "Test"})
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["token"]

    def upload(self, token: str, *pictures: bytes, **fields: str) -> dict[str, Any]:
        files = [("images", (f"{uuid4()}.jpg", data, "image/jpeg")) for data in pictures]
        answer = self.post("/api/posts", token, files=files, data=fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    def wait_until_done(self, token: str, *post_ids: str, seconds: float = PATIENCE) -> None:
        waiting = set(post_ids)
        deadline = time.monotonic() + seconds
        while waiting:
            assert time.monotonic() < deadline, f"{len(waiting)} posts are still unfinished"
            for post_id in list(waiting):
                images = self.get(f"/api/posts/{post_id}", token).json()["data"]["images"]
                states = {image["ai_status"] for image in images}
                assert "failed" not in states
                if states == {"done"}:
                    waiting.remove(post_id)
            time.sleep(0.5)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@contextmanager
def running_site(*, with_ai: bool = True, demo_posts: int | None = None) -> Iterator[Site]:
    """Run an installation in a temporary directory, with the demo unless it is without AI."""
    with tempfile.TemporaryDirectory(prefix="smimso-e2e-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)  # as root, PostgreSQL runs as another user
        redis = RedisServer(Path(name) / "redis-server")
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)
        }
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment |= {
            "SMIMSO_DATA_DIR": f"{name}/data",
            "PORT": str(port),
            "REDIS_URL": redis.url,
            "SMIMSO_AI_REQUEUE_SECONDS": "5",
            "SMIMSO_RECONCILE_SECONDS": "2",
            **{f"SMIMSO_THROTTLE_{scope}": "" for scope in ("REGISTER", "UPLOADS", "AI")},
        }
        options = ["--demo"] if with_ai else ["--without-ai"]
        options += ["--demo-posts", str(demo_posts)] if demo_posts else []
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", *options],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        site = Site(
            f"http://127.0.0.1:{port}",
            process,
            redis,
            data_dir=Path(f"{name}/data").resolve(),
            last_worker="bulk" if with_ai else "maintenance",
        )
        try:
            _wait_until_ready(site)
            yield site
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
            redis.stop()
            site.reader.join(PATIENCE)
            assert process.stdout is not None
            process.stdout.close()


def _wait_until_ready(site: Site) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while not site.ready.wait(0.2):
        if site.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("The site did not start:\n" + "".join(site.log))


def draw_jpeg(scene: Scene, width: int = 1024) -> bytes:
    """Draw a scene and return it as a JPEG file."""
    file = io.BytesIO()
    draw_scene(scene, width).save(file, "JPEG", quality=90)
    return file.getvalue()
