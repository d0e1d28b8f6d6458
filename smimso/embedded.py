"""PostgreSQL with pgvector and Redis out of Python wheels: no Docker, no root, no system packages.

Both listen on unix sockets in one private directory that follows from the data directory, so
every process of one installation finds them without a port and without a file to read.
"""

import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from urllib.parse import quote

DATABASE_NAME = "smimso"
DATABASE_USER = "postgres"


def socket_directory(data_dir: Path) -> Path:
    """Short by design: a unix socket's path holds at most 107 bytes."""
    digest = hashlib.sha256(f"{os.getuid()}:{data_dir}".encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"smimso-{digest}"


def database_url(data_dir: Path) -> str:
    host = quote(str(socket_directory(data_dir)), safe="")
    return f"postgresql://{DATABASE_USER}@{host}/{DATABASE_NAME}"


def redis_url(data_dir: Path) -> str:
    return f"unix://{socket_directory(data_dir)}/redis.sock?db=0"


def kombu_url(redis_url: str) -> str:
    """The same server as kombu (Celery's transport) spells it."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return redis_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")


def local_secret(data_dir: Path) -> str:
    """A random secret, made on first use and kept in the data directory (mode 0600)."""
    path = data_dir / "secret_key"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        staged = path.with_suffix(f".{os.getpid()}")
        staged.touch(mode=0o600)
        staged.write_text(secrets.token_urlsafe(48))
        try:
            os.link(staged, path)  # atomic: of two processes that start together one wins
        except FileExistsError:
            pass
        finally:
            staged.unlink()
    return path.read_text()
