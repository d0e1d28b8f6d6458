"""What SMIMSO consists of when it runs: one table of programs."""

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


# Of a worker's environment. Threads that wait for each other soon sleep, instead of spinning on a
# core that another worker could have: 10,000 turns are some 20 µs. glibc keeps two heaps, not
# eight per core.
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
        # Fast shutdown. SIGTERM would wait until the last client has gone.
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
    # Whether X-Forwarded-For is believed is for SMIMSO_TRUSTED_PROXIES alone to say.
    options += ["--no-proxy-headers"]
    return Program(
        name="web",
        command=[sys.executable, "-m", "uvicorn", "smimso.asgi:application", *options],
        environment=environment,
    )


def interactive_worker(environment: dict[str, str]) -> Program:
    """Someone is waiting for each of its answers."""
    threads = max(1, available_cores() // 2)
    environment = {"SMIMSO_AI_THREADS": str(threads)} | WORKER_ENVIRONMENT | environment
    return _worker("interactive", [INTERACTIVE], environment, options=_SOLO + _NO_PREFETCH)


def bulk_worker(environment: dict[str, str]) -> Program:
    """On all cores, but only with what the others leave over: whoever else wakes up runs first."""
    environment = {"SMIMSO_AI_THREADS": str(available_cores())} | WORKER_ENVIRONMENT | environment
    return _worker("bulk", BULK, environment, nice=19)


def maintenance_worker(environment: dict[str, str]) -> Program:
    """What takes minutes mostly waits for the database; the reconciler does not wait for it."""
    return _worker("maintenance", [MAINTENANCE], environment, options=_THREADS + _NO_PREFETCH)


def beat(environment: dict[str, str]) -> Program:
    return _celery("beat", environment, "beat")


def seed_demo(environment: dict[str, str]) -> Program:
    return Program(
        name="seed_demo",
        command=[sys.executable, str(REPOSITORY / "manage.py"), "seed_demo"],
        environment=environment,
    )


def demo_environment() -> dict[str, str]:
    """The bundled models: trained for the demo, loaded from this repository."""
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


# No fork after torch, and one task at a time has all the cores.
_SOLO = ("--pool", "solo", "--concurrency", "1")
_THREADS = ("--pool", "threads", "--concurrency", "8")  # most of them wait for PostgreSQL
_NO_PREFETCH = ("--prefetch-multiplier", "1")  # what waits, another worker may take


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
