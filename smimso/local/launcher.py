"""Start all of SMIMSO in the right order and wait until each part answers."""

import asyncio
import http.client
import importlib.util
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from kombu.exceptions import OperationalError
from redis import RedisError

from smimso.celery import app as celery_app
from smimso.local import processes, servers
from smimso.local.servers import CannotStart
from smimso.local.supervisor import Program, Supervisor
from smimso.redis import redis_client


@dataclass
class Stack:
    data_dir: Path
    host: str
    port: int
    environment: dict[str, str]  # of the programs
    with_ai: bool
    demo: bool
    log: Callable[[str], None]
    demo_posts: int | None = None  # None: the default of `seed_demo`

    async def start(self, supervisor: Supervisor) -> None:
        """Start everything that users wait for, and wait until it answers.

        The other workers follow in `start_background`: importing torch takes seconds of a core.
        """
        await self._start_servers(supervisor)
        await asyncio.to_thread(self._prepare_database)
        self.log("The database is up to date")
        self.with_ai = self.with_ai and self._has_torch()
        web = processes.web(self.environment, host=self.host, port=self.port)
        workers = [processes.interactive_worker(self.environment)] if self.with_ai else []
        supervisor.start(web, *workers)
        steps = [self._wait_for_web(supervisor, web)]
        steps += [self._wait_for_worker(supervisor, worker) for worker in workers]
        if self.demo:
            steps.append(self._seed_demo(supervisor))
        await asyncio.gather(*steps)
        if self.demo:
            call_command("seed_demo", accounts=True, stdout=_Lines(self.log))

    async def start_background(self, supervisor: Supervisor) -> None:
        """Start the workers that nobody waits for, and beat."""
        workers = [processes.maintenance_worker(self.environment)]
        if self.with_ai:
            workers.append(processes.bulk_worker(self.environment))
        supervisor.start(*workers, processes.beat(self.environment))
        await asyncio.gather(*(self._wait_for_worker(supervisor, worker) for worker in workers))

    async def _start_servers(self, supervisor: Supervisor) -> None:
        """Start PostgreSQL and Redis, unless the environment names others."""
        needs_database = not os.environ.get("DATABASE_URL")
        needs_redis = not os.environ.get("REDIS_URL")
        account = None
        if needs_database or needs_redis:
            account = servers.ensure_server_account()
            changed = servers.prepare_directories(self.data_dir, account)
            if changed:
                names = ", ".join(map(str, changed))
                self.log(f"Execute permission for {servers.ROOT_RUNS_SERVERS_AS}: {names}")
        redis_server = postgres = None
        if needs_redis:
            redis_server = processes.redis(self.data_dir, account)
            supervisor.start(redis_server)
        if needs_database:
            if not (self.data_dir / "postgres").exists():
                self.log("Creating a new database")
            await asyncio.to_thread(servers.init_postgres, self.data_dir, account)
            postgres = processes.postgres(self.data_dir, account)
            supervisor.start(postgres)
        await supervisor.wait_until(redis_responds, redis_server, what="Redis", seconds=30)
        await supervisor.wait_until(
            self._database_answers, postgres, what="PostgreSQL", seconds=120 if postgres else 15
        )
        if needs_database:
            await asyncio.to_thread(servers.create_database, self.data_dir)
        self.log("PostgreSQL and Redis answer")

    def _database_answers(self) -> bool:
        """Ask the server's own database: the embedded server may not have ours yet."""
        url = os.environ.get("DATABASE_URL") or servers.database_url(self.data_dir, "postgres")
        try:
            psycopg.connect(url, connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def _prepare_database(self) -> None:
        """Migrate in this process: a child would need a second or two for the imports alone."""
        output = io.StringIO()
        try:
            call_command("migrate", interactive=False, stdout=output, no_color=True)
        finally:
            connection.close()
            (self.data_dir / "logs" / "migrate.log").write_text(output.getvalue())
        if settings.PRODUCTION:
            call_command("collectstatic", interactive=False, stdout=output, no_color=True)

    def _has_torch(self) -> bool:
        is_installed = importlib.util.find_spec("torch") is not None
        if not is_installed:
            self.log("No AI workers: torch is not installed (pip install '.[ai]' installs it)")
        return is_installed

    async def _wait_for_web(self, supervisor: Supervisor, web: Program) -> None:
        await supervisor.wait_until(self.web_answers, web, what="The web server", seconds=60)
        self.log("The web server answers")

    def web_answers(self) -> bool:
        http_connection = http.client.HTTPConnection(
            connectable_host(self.host), self.port, timeout=5
        )
        try:
            http_connection.request("GET", "/health", headers={"Host": self._own_name()})
            return http_connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            http_connection.close()

    def _own_name(self) -> str:
        """Return a name in ALLOWED_HOSTS: Django answers 400 to any other."""
        names = [name.strip(".") for name in settings.ALLOWED_HOSTS if name != "*"]
        return names[0] if names else connectable_host(self.host)

    async def _wait_for_worker(self, supervisor: Supervisor, worker: Program) -> None:
        node = processes.node_name(worker.name)

        def answers() -> bool:
            try:
                return bool(celery_app.control.ping(destination=[node], timeout=0.5))
            except (OperationalError, RedisError):  # Redis is being restarted
                return False

        # A solo worker does not answer during a task, and bulk tasks may be queued.
        try:
            await supervisor.wait_until(answers, worker, what=f"Worker {worker.name}", seconds=180)
        except CannotStart as error:
            self.log(f"{error} SMIMSO continues without it.")
        else:
            self.log(f"Worker {worker.name} answers")

    async def _seed_demo(self, supervisor: Supervisor) -> None:
        seed = processes.seed_demo(self.environment, posts=self.demo_posts)
        code = await supervisor.run(seed, on_line=self.log)
        if code != 0:
            path = supervisor.log_path(seed.name)
            raise CannotStart(f"seed_demo ended with exit code {code} (more in {path})")


class _Lines(io.TextIOBase):
    """A file for a command's output that passes each line to `log`."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log

    def write(self, text: str) -> int:
        for line in text.splitlines():
            self._log(line)
        return len(text)


def redis_responds() -> bool:
    """Return whether Redis answers; it does not while it loads its data."""
    try:
        return bool(redis_client().ping())
    except RedisError:
        return False


def connectable_host(host: str) -> str:
    """Return an address to connect to, also for a server that listens on all of them."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
