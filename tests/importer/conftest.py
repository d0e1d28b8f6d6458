import io
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command

from smimso.local import servers as local_servers
from tests.importer.node_database import BASE, MIGRATIONS, NodeDatabase


@pytest.fixture
def make_node(servers: Path) -> Iterator[Callable[[str], NodeDatabase]]:
    """Return a function that creates a database on the test server from DDL."""
    databases: list[NodeDatabase] = []

    def make(ddl: str) -> NodeDatabase:
        name = f"node_{uuid4().hex[:12]}"
        with psycopg.connect(
            local_servers.database_url(settings.DATA_DIR, "postgres"), autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        node = NodeDatabase(local_servers.database_url(settings.DATA_DIR, name))
        databases.append(node)
        node.run(ddl)
        return node

    yield make
    for node in databases:
        node.connection.close()


@pytest.fixture
def node(make_node: Callable[[str], NodeDatabase]) -> NodeDatabase:
    return make_node(BASE + MIGRATIONS)


@pytest.fixture
def loose_node(node: NodeDatabase) -> NodeDatabase:
    node.loosen()
    return node


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """The old backend's uploads directory."""
    directory = tmp_path / "uploads"
    directory.mkdir()
    return directory


@pytest.fixture
def run_import(db: None) -> Callable[..., str]:
    """Return a function that runs the command and returns its summary."""

    def run(node: NodeDatabase, **options: object) -> str:
        output = io.StringIO()
        call_command("import_smimso", dsn=node.dsn, stdout=output, verbosity=0, **options)
        return output.getvalue()

    return run
