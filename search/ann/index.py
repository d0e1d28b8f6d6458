"""The vector index on post_images: built when there are enough rows, rebuilt as they grow.

An ivfflat index learns its cluster centres from the rows that exist when it is built; on an empty
table it is useless. It has more lists than pgvector's README advises, so that the neighbours of a
text are found among fewer rows. A search probes sqrt(lists) lists, times the probe factor that the
measured recall requires. The index holds halfvec, half of a vector's bytes, because results are
sorted by the full vectors anyway (ADR 9). `SMIMSO_VECTOR_INDEX=hnsw` chooses HNSW instead.
"""

import logging
import math
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from posts.models import EMBEDDING_DIMENSIONS
from smimso.errors import Unavailable

logger = logging.getLogger(__name__)

COLUMN = "embedding"  # the searched column
MIN_ROWS = 10_000  # below this an exact scan takes a few milliseconds
MAX_COUNTED_ROWS = 100_000  # larger tables are estimated, not read every five minutes
MAX_GROWTH = 2.0  # rebuilt when the rows need this many times the lists, or a fraction
SAMPLES_PER_LIST, VECTOR_BYTES = 50, 2_056  # as in pgvector, which computes with vectors
HALFVEC = f"halfvec({EMBEDDING_DIMENSIONS})"
EF_SEARCH, MAX_EF_SEARCH = 600, 1_000  # HNSW: enough for texts; the limit of pgvector
FILTER_EXPONENT = 0.35  # applied to the share of rows that pass a filter; measured (ADR 9)
_LOCK = 0x534D494D534F  # advisory lock: one builder at a time


class Index(NamedTuple):
    """A column's index in the database.

    kind: "ivfflat" or "hnsw". lists: 0 with HNSW. half: whether it holds halfvec. rows: estimated
    when it was built or last vacuumed. probe_factor: multiplies the usual probes.
    """

    kind: str
    lists: int
    half: bool
    rows: int = 0
    probe_factor: float = 1.0

    @property
    def probes(self) -> int:
        """Lists (ivfflat) or candidates (HNSW) in the first round of a scan."""
        if self.kind == "hnsw":
            return min(MAX_EF_SEARCH, round(EF_SEARCH * self.probe_factor))
        return min(self.lists, probes_for(self.lists, self.probe_factor))

    def for_selectivity(self, rows: int) -> "Index":
        """Return the index with more probes, for a filter that only `rows` rows pass.

        The 20 best of a tenth of the rows are spread as widely as the 200 best of all rows.
        """
        share = min(1.0, max(0.01, rows / max(self.rows, 1)))
        return self._replace(probe_factor=self.probe_factor * share**-FILTER_EXPONENT)


def name_of(column: str = COLUMN) -> str:
    """Return the name of a column's index. Columns that swap names swap the indexes' names, too."""
    return f"idx_post_images_{column}"


def build_name(column: str = COLUMN) -> str:
    """Return the name of a new index until it replaces the column's index."""
    return f"{name_of(column)}_new"


NAME, BUILD_NAME = name_of(), build_name()
BUILD_IN_PROGRESS = "another process is building the index"


def lists_for(rows: int) -> int:
    return max(10, round(min(rows / 500, math.sqrt(2 * rows))))


def probes_for(lists: int, probe_factor: float = 1.0) -> int:
    return max(1, round(probe_factor * math.sqrt(lists)))


def current(column: str = COLUMN) -> Index | None:
    """Return the index in use, or None.

    While a new index replaces the old one, the planner may use either. Then this is the one with
    more lists, or the new one if they differ in kind.
    """
    with connection.cursor() as cursor:
        return _find(cursor, build_name(column), name_of(column))


def _find(cursor: CursorWrapper, *names: str) -> Index | None:
    """Return the first of these indexes that is valid, or one of its kind with more lists."""
    cursor.execute(
        "SELECT amname, coalesce(substring(reloptions::text FROM 'lists=([0-9]+)')::int, 0),"
        " opcname LIKE 'halfvec%%', greatest(reltuples, 0)::bigint, coalesce(effort, 1.0)"
        " FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid JOIN pg_am ON pg_am.oid = relam"
        " JOIN pg_opclass ON pg_opclass.oid = indclass[0]"
        " LEFT JOIN search_effort ON index_kind = amname"
        " WHERE relname = ANY(%(names)s) AND indisvalid"
        " ORDER BY array_position(%(names)s, relname::text)",
        {"names": list(names)},
    )
    valid = [Index(*row) for row in cursor.fetchall()]
    alike = [index for index in valid if (index.kind, index.half) == (valid[0].kind, valid[0].half)]
    return max(alike, key=lambda index: index.lists, default=None)


def maintain(*, column: str = COLUMN, min_rows: int = MIN_ROWS, force: bool = False) -> str:
    """Build, rebuild or drop a column's index if its row count requires it; return a report.

    Reads and writes continue meanwhile. Not to be called inside a transaction.
    """
    _finish_swap(column)
    rows = count_vectors(column)
    index = current(column)
    if rows < min_rows:
        if index is None:
            return f"{rows} vectors: searched exactly, no index needed"
        return (
            f"{rows} vectors: too few for an index, dropped it"
            if drop(column)
            else BUILD_IN_PROGRESS
        )
    lists = lists_for(rows)
    if index is not None and _is_up_to_date(index, lists) and not force:
        return f"{rows} vectors: the index{_describe_lists(index.lists)} is up to date"
    return _build(rows, lists, column)


def drop(column: str) -> bool:
    """Drop the column's index. Return False, leaving it, while an index is being built.

    Not to be called inside a transaction.
    """
    with connection.cursor() as cursor:
        if not _try_lock(cursor):
            return False
        try:
            for name in (build_name(column), name_of(column)):
                if _find(cursor, name) is not None:
                    cursor.execute(f"DROP INDEX CONCURRENTLY {name}")
        finally:
            _unlock(cursor)
    return True


def is_up_to_date(column: str = COLUMN) -> bool:
    """Return whether `maintain` would leave the column's index as it is."""
    rows, index = count_vectors(column), current(column)
    return rows < MIN_ROWS if index is None else _is_up_to_date(index, lists_for(rows))


def _is_up_to_date(index: Index, lists: int) -> bool:
    if index.kind != settings.VECTOR_INDEX or not index.half:
        return False
    return index.kind == "hnsw" or 1 / MAX_GROWTH < lists / index.lists < MAX_GROWTH


def _build(rows: int, lists: int, column: str = COLUMN) -> str:
    """Build a new index concurrently. The old one serves searches until it is ready."""
    kind, options = settings.VECTOR_INDEX, ""
    lists = 0 if kind == "hnsw" else lists
    if lists:
        options = f" WITH (lists = {lists})"
    with connection.cursor() as cursor:
        if not _try_lock(cursor):
            return BUILD_IN_PROGRESS
        try:
            _raise_build_memory(cursor, lists)
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {build_name(column)}")
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {build_name(column)} ON post_images"
                f" USING {kind} (({column}::{HALFVEC}) halfvec_cosine_ops){options}"
            )
            _swap(cursor, column)
            # Without statistics, as after an import, the planner prefers to sort all rows.
            cursor.execute("ANALYZE posts, post_images, post_words")
        finally:
            cursor.execute("RESET maintenance_work_mem")
            _unlock(cursor)
    built = f"built an index{_describe_lists(lists)}"
    logger.info("%s, %d vectors: %s", name_of(column), rows, built)
    return f"{rows} vectors: {built}"


def _describe_lists(lists: int) -> str:
    return f" with {lists} lists" if lists else " (HNSW)"


def swap_names(first: str = COLUMN, second: str = "next_embedding") -> None:
    """Give the indexes of two columns each other's names, in the caller's transaction.

    To be called before the columns themselves swap their names, so that an index keeps the name of
    its column. Raises Unavailable while an index is being built: the caller rolls back and tries
    again later.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise Unavailable("index_being_built")
        for name in (name_of, build_name):
            spare = f"{name(first)}_spare"
            for old, new in (
                (name(first), spare),
                (name(second), name(first)),
                (spare, name(second)),
            ):
                cursor.execute(f"ALTER INDEX IF EXISTS {old} RENAME TO {new}")


def _finish_swap(column: str) -> None:
    """Complete the swap of a builder that was killed after its new index had become valid."""
    with connection.cursor() as cursor:
        if not _try_lock(cursor):
            return
        try:
            if _find(cursor, build_name(column)) is not None:
                _swap(cursor, column)
        finally:
            _unlock(cursor)


def _swap(cursor: CursorWrapper, column: str) -> None:
    cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name_of(column)}")
    cursor.execute(f"ALTER INDEX {build_name(column)} RENAME TO {name_of(column)}")


def _try_lock(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
    return cursor.fetchone()[0]


def _unlock(cursor: CursorWrapper) -> None:
    cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _raise_build_memory(cursor: CursorWrapper, lists: int) -> None:
    """Let pgvector's samples fit: with 64 MB it refuses to build 650 lists or more."""
    needed = max(2 * lists * SAMPLES_PER_LIST * VECTOR_BYTES, settings.INDEX_BUILD_MB * 2**20)
    cursor.execute(
        "SELECT set_config('maintenance_work_mem', (greatest(%s,"
        " pg_size_bytes(current_setting('maintenance_work_mem'))) / 1024)::text, false)",
        [needed],
    )


def analyze_column(column: str) -> None:
    """Refresh the statistics that `count_vectors` uses, after a whole column was written."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE post_images ({column})")


def count_vectors(column: str = COLUMN) -> int:
    """Return the number of vectors in a column; for a large table, as its statistics say."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT round(reltuples * (1 - coalesce(null_frac, 0)))::bigint, reltuples"
            " FROM pg_class LEFT JOIN pg_stats ON tablename = relname AND attname = %s"
            " AND schemaname = current_schema() WHERE pg_class.oid = 'post_images'::regclass",
            [column],
        )
        estimate, size = cursor.fetchone()
        if size >= MAX_COUNTED_ROWS:
            return estimate
        cursor.execute(f"SELECT count(*) FROM post_images WHERE {column} IS NOT NULL")  # noqa: S608
        return cursor.fetchone()[0]
