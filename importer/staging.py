"""Writes cleaned rows: COPY into a temporary table, from there into ours by primary key.

Raw SQL on purpose: the ORM would replace created_at and updated_at by the time of the import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import DateTimeField, Field, Model
from psycopg import sql

_STAGE = sql.Identifier("smimso_import_stage")


@dataclass(frozen=True)
class Target:
    """Where rows go. In SQL `s` is the row that is read and `t` the one that is there already.

    newer: when `s` replaces `t`; empty: never. merged: columns that it takes another way than
    "as `s` has it". twice: why a row is skipped that breaks a unique constraint.
    """

    model: type[Model]
    columns: tuple[str, ...]
    newer: str = ""
    merged: Mapping[str, str] = field(default_factory=dict)
    twice: str = "it is there already under another id"


@dataclass(frozen=True)
class Outcome:
    taken: set[UUID]
    updated: set[UUID]
    same: set[UUID]


def load(target: Target, rows: Sequence[Mapping[str, Any]]) -> Outcome:
    """Call it in a transaction. What is in none of the sets broke a unique constraint."""
    with connection.cursor() as cursor:
        _stage(cursor, target, rows)
        there = _ids(cursor, _THERE, target)
        updated = _ids(cursor, _UPDATE, target) if target.newer else set()
        taken = _ids(cursor, _INSERT, target)
    return Outcome(taken=taken, updated=updated, same=there - updated)


_THERE = sql.SQL("SELECT t.id FROM {table} t JOIN {stage} s ON s.id = t.id")
_UPDATE = sql.SQL(
    "UPDATE {table} t SET {changes} FROM {stage} s WHERE t.id = s.id AND ({newer}) RETURNING t.id"
)
_INSERT = sql.SQL(
    "INSERT INTO {table} ({columns}) SELECT {values} FROM {stage} s "
    "WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE t.id = s.id) ORDER BY s.position "
    "ON CONFLICT DO NOTHING RETURNING id"
)


def _stage(cursor: CursorWrapper, target: Target, rows: Sequence[Mapping[str, Any]]) -> None:
    parts = {
        "stage": _STAGE,
        "columns": sql.SQL(", ").join(map(sql.Identifier, target.columns)),
        "table": sql.Identifier(target.model._meta.db_table),
    }
    # A dry run is one transaction around all batches: there the last one's table is still there.
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


def _ids(cursor: CursorWrapper, statement: sql.SQL, target: Target) -> set[UUID]:
    values = {name: _value(target, name) for name in target.columns} | _defaults(target)
    query = statement.format(
        table=sql.Identifier(target.model._meta.db_table),
        stage=_STAGE,
        changes=sql.SQL(", ").join(_changes(target)),
        newer=sql.SQL(target.newer),
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
    """Columns that the source knows nothing of: Django keeps their defaults to itself."""
    return {
        str(field.column): sql.Literal(field.get_db_prep_save(field.get_default(), connection))
        for field in target.model._meta.concrete_fields
        if field.column not in target.columns
    }
