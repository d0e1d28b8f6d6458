"""Addresses, permissions and tuning of the embedded servers."""

import os
import stat
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from smimso.local import servers
from smimso.local.servers import MEBIBYTE, CannotStart


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path


def test_a_socket_path_is_short_however_deep_the_data_directory_is(tmp_path: Path) -> None:
    directory = servers.socket_directory(tmp_path / ("deep" * 40))
    assert len(str(directory / ".s.PGSQL.5432")) < 100


def test_two_data_directories_have_two_socket_directories(tmp_path: Path) -> None:
    assert servers.socket_directory(tmp_path / "a") != servers.socket_directory(tmp_path / "b")


def test_a_secret_is_created_once_and_is_private(data_dir: Path) -> None:
    secret = servers.load_or_create_secret(data_dir)
    assert len(secret) >= 48
    assert servers.load_or_create_secret(data_dir) == secret
    assert stat.S_IMODE((data_dir / "secret_key").stat().st_mode) == 0o600


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="cannot be written"):
        servers.load_or_create_secret(tmp_path / "file" / "var")


def test_the_socket_directory_is_private(data_dir: Path) -> None:
    servers.prepare_directories(data_dir, servers.ensure_server_account())
    sockets = servers.socket_directory(data_dir)
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    sockets.rmdir()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_socket_directory_of_another_user_is_refused(data_dir: Path) -> None:
    sockets = servers.socket_directory(data_dir)
    sockets.mkdir()
    os.chown(sockets, 4242, 4242)
    with pytest.raises(CannotStart, match="belongs to someone else"):
        servers.prepare_directories(data_dir, servers.ensure_server_account())
    sockets.rmdir()


def test_a_link_in_place_of_the_socket_directory_is_refused(data_dir: Path) -> None:
    sockets = servers.socket_directory(data_dir)
    sockets.symlink_to(data_dir)
    with pytest.raises(CannotStart, match="belongs to someone else"):
        servers.prepare_directories(data_dir, servers.ensure_server_account())
    sockets.unlink()


def test_the_directories_whose_permissions_changed_are_returned(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    (closed / "open").chmod(0o711)
    closed.chmod(0o700)
    assert closed in servers.allow_traversal(closed / "open" / "file")
    assert closed.stat().st_mode & 0o777 == 0o701
    assert servers.allow_traversal(closed / "open" / "file") == []


def test_a_cluster_of_another_postgresql_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(CannotStart, match="was made by PostgreSQL 16, this is 18"):
        servers.init_postgres(data_dir, None)


def test_a_pid_file_of_a_program_that_is_not_postgresql_is_removed(data_dir: Path) -> None:
    cluster = data_dir / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text(f"{servers.POSTGRES_VERSION}\n")
    (cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster}\n")
    assert servers.init_postgres(data_dir, None) is False
    assert not (cluster / "postmaster.pid").exists()


def test_the_tuning_grows_with_the_machine() -> None:
    small = servers.tuning_for(memory=1024 * MEBIBYTE, cores=1)
    large = servers.tuning_for(memory=65536 * MEBIBYTE, cores=16)
    assert (small["shared_buffers"], large["shared_buffers"]) == ("128MB", "4096MB")
    assert (small["maintenance_work_mem"], large["maintenance_work_mem"]) == ("64MB", "2048MB")
    workers = "max_parallel_maintenance_workers"
    assert (small[workers], large[workers]) == ("1", "8")


def test_celerys_url_is_of_the_same_redis() -> None:
    assert servers.kombu_url("unix:///tmp/x/redis.sock?db=0") == (
        "redis+socket:///tmp/x/redis.sock?virtual_host=0"
    )
    assert servers.kombu_url("redis://host:6379/0") == "redis://host:6379/0"


@pytest.mark.usefixtures("servers")
def test_the_server_sorts_the_same_everywhere_and_listens_on_no_port() -> None:
    with psycopg.connect(servers.database_url(settings.DATA_DIR, "postgres")) as connection:
        row = connection.execute(
            "SELECT pg_encoding_to_char(encoding), datlocprovider::text, datlocale,"
            " current_setting('listen_addresses'), lower('ĐÀ NẴNG')"
            " FROM pg_database WHERE datname = 'template1'"
        ).fetchone()
    assert row == ("UTF8", "b", "C.UTF-8", "", "đà nẵng")


@pytest.mark.usefixtures("servers")
def test_the_database_has_vectors_and_is_created_once() -> None:
    for _ in range(2):
        servers.create_database(settings.DATA_DIR)
    with psycopg.connect(servers.database_url(settings.DATA_DIR)) as connection:
        assert connection.execute("SELECT '[3,4]'::vector <-> '[0,0]'").fetchone() == (5.0,)
