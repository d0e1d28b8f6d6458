"""A temporary installation of PostgreSQL, Redis and web, without workers or Celery beat."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg

from smimso.local import processes, servers
from smimso.local.supervisor import Program

CLEARED_PREFIXES = ("SMIMSO_", "DATABASE_URL", "REDIS_URL", "DJANGO_", "SECRET_KEY", "JWT_")


@contextmanager
def run_installation(**settings: str) -> Iterator[str]:
    """Yield the URL of its web process, with migrated tables and Django of this process set up."""
    with ExitStack() as stack:
        name = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="smimso-bench-", ignore_cleanup_errors=True)
        )
        data_dir = Path(name).resolve()
        data_dir.chmod(0o755)  # as root, PostgreSQL runs as another user
        stack.callback(shutil.rmtree, servers.socket_directory(data_dir), ignore_errors=True)
        account = servers.ensure_server_account()
        servers.prepare_directories(data_dir, account)
        servers.init_postgres(data_dir, account)
        stack.enter_context(run_program(processes.postgres(data_dir, account), data_dir))
        stack.enter_context(run_program(processes.redis(data_dir, account), data_dir))
        wait_until(lambda: _is_database_up(data_dir), "PostgreSQL")
        servers.create_database(data_dir)
        environment = _set_up(data_dir, settings)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        web = processes.web(environment, host="127.0.0.1", port=port)
        stack.enter_context(run_program(web, data_dir))
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _is_web_up(url), "The web process")
        yield url


def _set_up(data_dir: Path, settings: dict[str, str]) -> dict[str, str]:
    for key in [key for key in os.environ if key.startswith(CLEARED_PREFIXES)]:
        del os.environ[key]
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "smimso.settings",
        "SMIMSO_DATA_DIR": str(data_dir),
        "DATABASE_URL": servers.database_url(data_dir),
        "REDIS_URL": servers.redis_url(data_dir),
        "SMIMSO_LOG_LEVEL": "WARNING",
        **settings,
    }
    (data_dir / "static").mkdir(exist_ok=True)  # whitenoise warns when there is none
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    return dict(os.environ)


@contextmanager
def run_program(program: Program, data_dir: Path) -> Iterator[None]:
    with (data_dir / f"{program.name}.log").open("ab") as log:
        process = subprocess.Popen(
            program.child_command(),
            env=program.environment or None,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        finally:
            process.send_signal(program.stop_signal or signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(is_ready: Callable[[], bool], name: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not is_ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} does not respond")
        time.sleep(0.1)


def _is_database_up(data_dir: Path) -> bool:
    try:
        psycopg.connect(servers.database_url(data_dir, "postgres")).close()
    except psycopg.OperationalError:
        return False
    return True


def _is_web_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
