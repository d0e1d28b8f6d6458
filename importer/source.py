"""The Node backend's database, read in one snapshot, a batch at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import Buffer, Loader
from psycopg.rows import dict_row
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader

_SETTINGS = {
    # Row security would silently hide rows. Switched off, reading such a table is an error.
    "row_security": "off",
    "statement_timeout": "0",
    # Decoding the files of a batch may take minutes.
    "idle_in_transaction_session_timeout": "0",
    "TimeZone": "UTC",
}


class SourceError(Exception):
    """The source cannot be imported. `str(error)` is one line that an operator can act on."""


class Source:
    """An open source. `tables` maps each table of its schema to its columns."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection
        self.tables = self._columns()
        if not {"users", "posts"} & self.tables.keys():
            raise SourceError("The source has neither a table users nor a table posts.")
        if "django_migrations" in self.tables:
            raise SourceError("The source is a database of this SMIMSO, not of the Node backend.")

    def count(self, table: str) -> int:
        query = sql.SQL("SELECT count(*) AS rows FROM {}").format(sql.Identifier(table))
        row = self._connection.execute(query).fetchone()
        return row["rows"] if row else 0

    def batches(
        self, table: str, columns: Sequence[str], order: Sequence[str], size: int
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield rows with all of `columns`, with None for those that the source lacks.

        order: SQL terms, each starting with a column; those of missing columns are dropped.
        """
        existing = self.tables[table]
        selected = [
            # Depending on the source's age this is a vector, an array or text: read all as text.
            sql.SQL("{}::text" if name == "embedding" else "{}").format(sql.Identifier(name))
            + sql.SQL(" AS {}").format(sql.Identifier(name))
            for name in columns
            if name in existing
        ]
        keys = [sql.SQL(key) for key in order if key.split()[0] in existing]
        query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
            sql.SQL(", ").join(selected), sql.Identifier(table), sql.SQL(", ").join(keys)
        )
        missing = dict.fromkeys(set(columns) - set(existing))
        with self._connection.cursor(name="smimso_import") as cursor:
            cursor.execute(query)
            while rows := cursor.fetchmany(size):
                yield [missing | row for row in rows]

    def _columns(self) -> dict[str, list[str]]:
        query = """
            SELECT table_name, column_name
            FROM information_schema.columns JOIN information_schema.tables
                USING (table_catalog, table_schema, table_name)
            WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
            ORDER BY table_name, ordinal_position
        """
        tables: dict[str, list[str]] = {}
        for row in self._connection.execute(query):
            tables.setdefault(row["table_name"], []).append(row["column_name"])
        return tables


@contextmanager
def open_source(dsn: str) -> Iterator[Source]:
    """Open the source in one read-only snapshot. Raises SourceError when that is impossible."""
    connection = _connect(dsn)
    try:
        with connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            for name, value in _SETTINGS.items():
                connection.execute("SELECT set_config(%s, %s, true)", [name, value])
            yield Source(connection)
    finally:
        connection.close()


def _connect(dsn: str) -> psycopg.Connection[dict[str, Any]]:
    try:
        connection = psycopg.connect(
            dsn,
            row_factory=dict_row,
            connect_timeout=10,
            client_encoding="utf8",
            prepare_threshold=None,  # poolers in transaction mode lose prepared statements
        )
    except psycopg.ProgrammingError as error:  # its text contains the DSN, with the password
        raise SourceError(
            "The DSN is not valid. Example: postgresql://user:password@host:5432/database"
        ) from error
    except psycopg.Error as error:
        raise SourceError(
            f"Cannot connect to the source: {' '.join(str(error).split())}"
        ) from error
    for type_name, loader in _LOADERS.items():
        connection.adapters.register_loader(type_name, loader)
    return connection


class _TimestamptzLoader(TimestamptzLoader):
    """Load values that Python cannot represent, such as 'infinity', as None."""

    def load(self, data: Buffer) -> datetime | None:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return None


class _TimestampLoader(TimestampLoader):
    def load(self, data: Buffer) -> datetime | None:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return None


class _DateLoader(DateLoader):
    def load(self, data: Buffer) -> date | None:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return None


_LOADERS: dict[str, type[Loader]] = {
    "timestamptz": _TimestamptzLoader,
    "timestamp": _TimestampLoader,
    "date": _DateLoader,
}
