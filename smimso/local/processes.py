"""The programs of a running installation, with their command lines."""

import pwd
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from smimso.local import servers
from smimso.local.supervisor import Program
from smimso.machine import available_cores
from smimso.queues import BULK, INTERACTIVE, MAINTENANCE

REPOSITORY = Path(__file__).resolve().parent.parent.parent


# OpenMP threads that wait for each other soon sleep instead of spinning on a core that another
# worker could use: 10,000 spins take about 20 µs. glibc gets two heaps, not eight per core.
WORKER_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "10000",
    "MALLOC_ARENA_MAX": "2",
}


def postgres(data_dir: Path, account: pwd.struct_passwd | None, *, durable: bool = True) -> Program:
    return Program(
        name="postgres",
        command=servers.postgres_command(data_dir, durable=durable),
        user=account.pw_name if account else None,
        # Fast shutdown; SIGTERM would wait until the last client has disconnected.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        stop_seconds=30,
        is_backing_service=True,
    )


def redis(data_dir: Path, account: pwd.struct_passwd | None, *, durable: bool = True) -> Program:
    return Program(
        name="redis",
        command=servers.redis_command(data_dir, durable=durable),
        user=account.pw_name if account else None,
        death_signal=signal.SIGTERM,
        is_backing_service=True,
    )


def web(environment: dict[str, str], *, host: str, port: int) -> Program:
    options = ["--host", host, "--port", str(port), "--timeout-graceful-shutdown", "3"]
    # SMIMSO_TRUSTED_PROXIES alone decides whether X-Forwarded-For is trusted.
    options += ["--no-proxy-headers"]
    return Program(
        name="web",
        command=[sys.executable, "-m", "uvicorn", "smimso.asgi:application", *options],
        environment=environment,
    )


def interactive_worker(environment: dict[str, str]) -> Program:
    """Return the worker whose callers wait: half of the cores, the rest for web and database."""
    threads = max(1, available_cores() // 2)
    environment = {"SMIMSO_AI_THREADS": str(threads)} | WORKER_ENVIRONMENT | environment
    return _worker("interactive", [INTERACTIVE], environment, options=_SOLO + _NO_PREFETCH)


def bulk_worker(environment: dict[str, str]) -> Program:
    """Return the background worker: all cores, at the lowest priority."""
    environment = {"SMIMSO_AI_THREADS": str(available_cores())} | WORKER_ENVIRONMENT | environment
    return _worker("bulk", BULK, environment, nice=19)


def maintenance_worker(environment: dict[str, str]) -> Program:
    """Return the worker on threads: short tasks do not wait for those that take minutes."""
    return _worker("maintenance", [MAINTENANCE], environment, options=_THREADS + _NO_PREFETCH)


def beat(environment: dict[str, str]) -> Program:
    return _celery("beat", environment, "beat")


def seed_demo(environment: dict[str, str], *, posts: int | None = None) -> Program:
    options = [] if posts is None else ["--posts", str(posts)]
    return Program(
        name="seed_demo",
        command=[sys.executable, str(REPOSITORY / "manage.py"), "seed_demo", *options],
        environment=environment,
    )


def demo_environment() -> dict[str, str]:
    """Return the environment variables that select the bundled models, trained for the demo."""
    models = REPOSITORY / "ai" / "demo_models"
    return {
        "SMIMSO_CLIP_MODEL": f"local-dir:{models / 'clip'}",
        "SMIMSO_CLIP_PRETRAINED": "",
        "SMIMSO_BLIP_MODEL": str(models / "blip"),
        "SMIMSO_AI_PUBLIC": "1",
        "HF_HUB_OFFLINE": "1",
    }


def node_name(worker: str) -> str:
    return f"{worker}@smimso"


# No fork after the import of torch; one task at a time gets all the cores.
_SOLO = ("--pool", "solo", "--concurrency", "1")
_THREADS = ("--pool", "threads", "--concurrency", "8")  # mostly waiting for PostgreSQL
_NO_PREFETCH = ("--prefetch-multiplier", "1")  # leave waiting messages to other workers


def _worker(
    name: str,
    queues: Sequence[str],
    environment: dict[str, str],
    *,
    options: tuple[str, ...] = _SOLO,
    nice: int = 0,
) -> Program:
    words = ["worker", "--hostname", node_name(name), "--queues", ",".join(queues), *options]
    words += ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    return _celery(name, environment, *words, nice=nice)


def _celery(name: str, environment: dict[str, str], *words: str, nice: int = 0) -> Program:
    return Program(
        name=name,
        command=[sys.executable, "-m", "celery", "-A", "smimso", *words],
        environment=environment,
        nice=nice,
    )
