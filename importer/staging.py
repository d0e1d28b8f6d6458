"""Write cleaned rows: COPY into a temporary table, from there into ours by primary key.

This is raw SQL because the ORM would set created_at and updated_at to the time of the import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import DateTimeField, Field, Model
from psycopg import sql

CleanRow = Mapping[str, object]

_STAGE = sql.Identifier("smimso_import_stage")


@dataclass(frozen=True)
class Target:
    """The table that rows are written to. In SQL, `s` is the source's row and `t` the stored one.

    replace_when: condition under which `s` replaces `t`; empty: never. merged: SQL for columns
    that do not simply take the value of `s`. conflict: the reason for skipping a row that breaks
    a unique constraint.
    """

    model: type[Model]
    columns: tuple[str, ...]
    replace_when: str = ""
    merged: Mapping[str, str] = field(default_factory=dict)
    conflict: str = "it already exists under another id"


@dataclass(frozen=True)
class WriteResult:
    imported: set[UUID]
    updated: set[UUID]
    same: set[UUID]

    def __contains__(self, row_id: object) -> bool:
        return row_id in self.imported or row_id in self.updated or row_id in self.same


def write_rows(target: Target, rows: Sequence[CleanRow]) -> WriteResult:
    """Insert new rows and update older ones. Must run in a transaction.

    A row that is in none of the result's sets broke a unique constraint.
    """
    with connection.cursor() as cursor:
        _stage(cursor, target, rows)
        existing = _execute(cursor, _SELECT_EXISTING, target)
        updated = _execute(cursor, _UPDATE, target) if target.replace_when else set()
        imported = _execute(cursor, _INSERT, target)
    return WriteResult(imported=imported, updated=updated, same=existing - updated)


_SELECT_EXISTING = sql.SQL("SELECT t.id FROM {table} t JOIN {stage} s ON s.id = t.id")
_UPDATE = sql.SQL(
    "UPDATE {table} t SET {changes} FROM {stage} s "
    "WHERE t.id = s.id AND ({replace_when}) RETURNING t.id"
)
_INSERT = sql.SQL(
    "INSERT INTO {table} ({columns}) SELECT {values} FROM {stage} s "
    "WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE t.id = s.id) ORDER BY s.position "
    "ON CONFLICT DO NOTHING RETURNING id"
)


def _stage(cursor: CursorWrapper, target: Target, rows: Sequence[CleanRow]) -> None:
    """Copy the rows into a temporary table with the columns of the target."""
    parts = {
        "stage": _STAGE,
        "columns": sql.SQL(", ").join(map(sql.Identifier, target.columns)),
        "table": sql.Identifier(target.model._meta.db_table),
    }
    # A dry run is one transaction around all batches, so the last batch's table still exists.
    cursor.execute(sql.SQL("DROP TABLE IF EXISTS pg_temp.{stage}").format(**parts))
    create = (
        "CREATE TEMP TABLE {stage} ON COMMIT DROP AS SELECT 0 AS position, {columns} FROM {table}"
    )
    cursor.execute(sql.SQL(create + " WITH NO DATA").format(**parts))
    copy_rows = sql.SQL("COPY {stage} (position, {columns}) FROM STDIN").format(**parts)
    with cursor.copy(copy_rows) as copy:
        for position, row in enumerate(rows):
            copy.write_row([position, *(row[name] for name in target.columns)])
    cursor.execute(sql.SQL("ANALYZE {stage}").format(**parts))


def _execute(cursor: CursorWrapper, statement: sql.SQL, target: Target) -> set[UUID]:
    """Run a statement that returns ids."""
    values = {name: _value(target, name) for name in target.columns} | _defaults(target)
    query = statement.format(
        table=sql.Identifier(target.model._meta.db_table),
        stage=_STAGE,
        changes=sql.SQL(", ").join(_changes(target)),
        replace_when=sql.SQL(target.replace_when),
        columns=sql.SQL(", ").join(map(sql.Identifier, values)),
        values=sql.SQL(", ").join(values.values()),
    )
    cursor.execute(query)
    return {row[0] for row in cursor.fetchall()}


def _changes(target: Target) -> list[sql.Composable]:
    return [
        sql.SQL("{} = ").format(sql.Identifier(name))
        + (
            sql.SQL(target.merged[name])
            if name in target.merged
            else sql.SQL("s.{}").format(sql.Identifier(name))
        )
        for name in target.columns
        if name not in ("id", "created_at")
    ]


def _value(target: Target, name: str) -> sql.Composable:
    value = sql.SQL("s.{}").format(sql.Identifier(name))
    field = _field(target.model, name)
    if isinstance(field, DateTimeField) and not field.null:
        return sql.SQL("COALESCE({}, now())").format(value)
    return value


def _field(model: type[Model], column: str) -> "Field[Any, Any]":
    return next(field for field in model._meta.concrete_fields if field.column == column)


def _defaults(target: Target) -> dict[str, sql.Composable]:
    """Return values for columns that the source lacks: Django's defaults are not in the schema."""
    return {
        str(field.column): sql.Literal(field.get_db_prep_save(field.get_default(), connection))
        for field in target.model._meta.concrete_fields
        if field.column not in target.columns
    }
