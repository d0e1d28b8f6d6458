"""The Node backend's database: read only, in one snapshot, a batch at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader

_SETTINGS = {
    # Row security would hide rows without a word; switched off, reading them is an error.
    "row_security": "off",
    "statement_timeout": "0",
    # Between two batches files are decoded, which may take minutes.
    "idle_in_transaction_session_timeout": "0",
    "TimeZone": "UTC",
}


class CannotRead(Exception):
    """`str(error)` is the one line that tells an operator what is in the way."""


class Source:
    """tables: the columns of every table in the source's schema."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection
        self.tables = self._columns()
        if not {"users", "posts"} & self.tables.keys():
            raise CannotRead("The source has neither a table users nor a table posts.")
        if "django_migrations" in self.tables:
            raise CannotRead("The source is a database of this SMIMSO, not of the Node backend.")

    def count(self, table: str) -> int:
        query = sql.SQL("SELECT count(*) AS rows FROM {}").format(sql.Identifier(table))
        row = self._connection.execute(query).fetchone()
        return row["rows"] if row else 0

    def batches(
        self, table: str, columns: Sequence[str], order: Sequence[str], size: int
    ) -> Iterator[list[dict[str, Any]]]:
        """Rows with all of `columns`; None for those that this source does not have.

        order: SQL that starts with a column's name.
        """
        existing = self.tables[table]
        selected = [
            # vector, text or an array, by the age of the source: as text they are all read alike
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
    """One snapshot of the source. Raises CannotRead when it is out of reach."""
    connection = _connected(dsn)
    try:
        with connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            for name, value in _SETTINGS.items():
                connection.execute("SELECT set_config(%s, %s, true)", [name, value])
            yield Source(connection)
    finally:
        connection.close()


def _connected(dsn: str) -> psycopg.Connection[dict[str, Any]]:
    try:
        connection = psycopg.connect(
            dsn,
            row_factory=dict_row,
            connect_timeout=10,
            client_encoding="utf8",
            prepare_threshold=None,  # poolers in transaction mode do not know prepared statements
        )
    except psycopg.ProgrammingError as error:  # its text repeats the DSN, with the password
        raise CannotRead(
            "The DSN cannot be read; it looks like postgresql://user:password@host:5432/database"
        ) from error
    except psycopg.Error as error:
        raise CannotRead(
            f"The source does not let us in: {' '.join(str(error).split())}"
        ) from error
    for type_name, loader in _LOADERS.items():
        connection.adapters.register_loader(type_name, loader)
    return connection


class _Moment(TimestamptzLoader):
    """PostgreSQL knows 'infinity' and years that Python does not: None."""

    def load(self, data: Any) -> datetime | None:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return None


class _NaiveMoment(TimestampLoader):
    def load(self, data: Any) -> datetime | None:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return None


class _Day(DateLoader):
    def load(self, data: Any) -> date | None:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return None


_LOADERS: dict[str, type[Any]] = {"timestamptz": _Moment, "timestamp": _NaiveMoment, "date": _Day}
