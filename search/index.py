"""The ivfflat index on post_images.embedding: built after data exists, rebuilt as it grows.

An ivfflat index learns its cluster centres from the rows that exist when it is built; on an
empty table it is useless. Lists and probes follow pgvector's README ("IVFFlat"): rows / 1000
lists up to a million rows, sqrt(rows) above, sqrt(lists) probes.
"""

import logging
import math

from django.db import connection
from django.db.backends.utils import CursorWrapper

from smimso.errors import Unavailable

logger = logging.getLogger(__name__)

COLUMN = "embedding"  # what is searched
LEAST_ROWS = 10_000  # below this an exact scan takes a few milliseconds
GROWTH = 2.0  # rebuilt when the table needs this many times the lists, or a fraction
SAMPLES_PER_LIST, VECTOR_BYTES = 50, 2_056  # pgvector's own
_LOCK = 0x534D494D534F  # advisory lock: one builder at a time


def name_of(column: str = COLUMN) -> str:
    """The name of a column's index. It follows the column when two columns change their names."""
    return f"idx_post_images_{column}"


def building_of(column: str = COLUMN) -> str:
    """The name of the index that is about to take the place of the column's index."""
    return f"{name_of(column)}_new"


NAME, BUILDING = name_of(), building_of()


def lists_for(rows: int) -> int:
    return max(10, round(rows / 1000 if rows <= 1_000_000 else math.sqrt(rows)))


def probes_for(lists: int) -> int:
    return max(1, round(math.sqrt(lists)))


def current_lists(column: str = COLUMN) -> int | None:
    """The number of lists of the index in use; None without an index.

    While one index takes the other's place, the planner may use either: the larger number.
    """
    with connection.cursor() as cursor:
        return _lists_of(cursor, name_of(column), building_of(column))


def _lists_of(cursor: CursorWrapper, *names: str) -> int | None:
    """The largest number of lists of these indexes; None when none of them is there and valid."""
    cursor.execute(
        "SELECT max(substring(option FROM 'lists=([0-9]+)')::int)"
        " FROM pg_class JOIN pg_index ON indexrelid = oid, unnest(reloptions) AS option"
        " WHERE relname = ANY(%s) AND indisvalid AND option LIKE 'lists=%%'",
        [list(names)],
    )
    return cursor.fetchone()[0]


def maintain(*, column: str = COLUMN, least_rows: int = LEAST_ROWS, force: bool = False) -> str:
    """Builds, rebuilds or leaves a column's index as the row count asks; what was done, in words.

    Reads and writes go on meanwhile. Not inside a transaction.
    """
    _finish_swap(column)
    rows = _embedded_rows(column)
    lists, wanted = current_lists(column), lists_for(rows)
    if rows < least_rows:
        if lists is None:
            return f"{rows} vectors: searched exactly, no index needed"
        _run(f"DROP INDEX CONCURRENTLY IF EXISTS {name_of(column)}")
        return f"{rows} vectors: too few for an index, dropped it"
    fits = lists is not None and 1 / GROWTH < wanted / lists < GROWTH
    if fits and not force:
        return f"{rows} vectors: the index with {lists} lists fits"
    return _build(rows, wanted, column)


def _build(rows: int, lists: int, column: str = COLUMN) -> str:
    """Beside the old index, which serves until the new one is ready; writes go on."""
    with connection.cursor() as cursor:
        if not _locked(cursor):
            return "another process is building the index"
        try:
            _allow_memory(cursor, lists)
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {building_of(column)}")
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {building_of(column)} ON post_images"
                f" USING ivfflat ({column} vector_cosine_ops) WITH (lists = {lists})"
            )
            _swap(cursor, column)
            # Without statistics, as after an import, the planner would rather sort all rows.
            cursor.execute("ANALYZE posts, post_images")
        finally:
            cursor.execute("RESET maintenance_work_mem")
            _unlock(cursor)
    logger.info("Built the vector index: %d lists for %d vectors", lists, rows)
    return f"{rows} vectors: built an index with {lists} lists"


def exchange_names(first: str = COLUMN, second: str = "next_embedding") -> None:
    """Gives each of two columns' indexes the other's name, in the caller's transaction.

    For a change of the model: called before the columns themselves change their names, so that
    an index keeps the name of what it is on. Raises Unavailable while an index is being built:
    the caller rolls back and tries again later.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise Unavailable("The vector index is being built")
        for of in (name_of, building_of):
            spare = f"{of(first)}_spare"
            for old, new in ((of(first), spare), (of(second), of(first)), (spare, of(second))):
                cursor.execute(f"ALTER INDEX IF EXISTS {old} RENAME TO {new}")


def _finish_swap(column: str) -> None:
    """A builder that was killed late left a valid index beside the old one, or instead of it."""
    with connection.cursor() as cursor:
        if not _locked(cursor):
            return
        try:
            if _lists_of(cursor, building_of(column)) is not None:
                _swap(cursor, column)
        finally:
            _unlock(cursor)


def _swap(cursor: CursorWrapper, column: str) -> None:
    cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name_of(column)}")
    cursor.execute(f"ALTER INDEX {building_of(column)} RENAME TO {name_of(column)}")


def _locked(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
    return cursor.fetchone()[0]


def _unlock(cursor: CursorWrapper) -> None:
    cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _allow_memory(cursor: CursorWrapper, lists: int) -> None:
    """pgvector refuses to build when its samples do not fit, from 650 lists on at 64 MB."""
    needed = 2 * lists * SAMPLES_PER_LIST * VECTOR_BYTES
    cursor.execute(
        "SELECT set_config('maintenance_work_mem', (greatest(%s,"
        " pg_size_bytes(current_setting('maintenance_work_mem'))) / 1024)::text, false)",
        [needed],
    )


def _embedded_rows(column: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM post_images WHERE {column} IS NOT NULL")  # noqa: S608
        return cursor.fetchone()[0]


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
