"""A whole import: all tables, in the order in which rows refer to each other.

Each batch is one transaction and rows are written by primary key, so an interrupted run is simply
started again. A stored row is replaced only by a newer one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.db import connection, transaction

from ai.services import clip_name
from importer.categories import Categories
from importer.content import Activities, Comments, Likes, Posts, SavedPosts
from importer.members import Follows, Surveys, Users
from importer.notifications import Notifications
from importer.old_files import OldFiles
from importer.post_images import PostImages
from importer.recount import correct_counters, report_posts_without_images
from importer.report import Report, TableReport
from importer.rows import parse_rows
from importer.source import Source
from importer.source_vectors import SourceVectors
from importer.staging import write_rows
from importer.table_import import TableImport

CHAT_TABLES = (
    *("conversations", "conversation_participants", "messages", "message_reactions"),
    *("call_history", "user_online_status", "group_conversation_settings", "conversation_roles"),
    "user_push_subscriptions",
)


@dataclass(frozen=True)
class Options:
    """clip_model: the model of the source's vectors; empty: unknown. batch: rows per batch."""

    uploads_dir: Path | None = None
    clip_model: str = ""
    batch: int = 1000
    dry_run: bool = False


class Progress(Protocol):
    def update(self, n: float | None = 1) -> bool | None: ...


OpenProgress = Callable[[str, int], AbstractContextManager[Progress]]


def transfer(source: Source, options: Options, open_progress: OpenProgress) -> Report:
    """Import everything and return the summary.

    A dry run does the same in one transaction that is rolled back, and stores no files.
    """
    report = Report(dry_run=options.dry_run)
    outer = transaction.atomic() if options.dry_run else nullcontext()
    with outer:
        for table_import in _table_imports(options):
            name = table_import.table
            if reason := _obstacle(source, table_import):
                report.table(name)
                report.not_imported.append(f"{name}: {reason}")
                continue
            with open_progress(name, source.count(name)) as progress:
                _transfer_table(source, table_import, report.table(name), options.batch, progress)
        _analyze()
        correct_counters(report.table("posts"), batch=options.batch)
        report_posts_without_images(report.table("posts"))
        if options.dry_run:
            transaction.set_rollback(True)
    report.not_imported += _unsupported(source, options)
    return report


def _table_imports(options: Options) -> list[TableImport]:
    files = OldFiles(options.uploads_dir, should_store=not options.dry_run)
    categories = Categories()
    return [
        categories,
        Users(files),
        Surveys(categories),
        Follows(),
        Posts(categories),
        PostImages(files, SourceVectors(options.clip_model, active_model=clip_name())),
        Comments(),
        Likes(),
        SavedPosts(),
        Activities(),
        Notifications(),
    ]


def _analyze() -> None:
    """Renew the planner's statistics; without them it would join the new rows one by one."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _obstacle(source: Source, table_import: TableImport) -> str:
    """Return why the table cannot be imported, or ""."""
    if table_import.table not in source.tables:
        return "the source has no such table"
    missing = set(table_import.required) - set(source.tables[table_import.table])
    return f"the table has no {', '.join(sorted(missing))}" if missing else ""


def _transfer_table(
    source: Source,
    table_import: TableImport,
    report: TableReport,
    batch: int,
    progress: Progress,
) -> None:
    columns, order = table_import.columns, table_import.order
    size = min(batch, table_import.max_batch)
    for values in source.batches(table_import.table, columns, order, size):
        cleaned = table_import.clean(parse_rows(values, report))
        with transaction.atomic():
            table_import.before_write(cleaned)
            result = write_rows(table_import.target, cleaned)
        report.read += len(values)
        report.imported += len(result.imported)
        report.updated += len(result.updated)
        report.same += len(result.same)
        for row in cleaned:
            if row["id"] not in result:
                report.skip(table_import.target.conflict, str(row["id"]))
        progress.update(len(values))


def _unsupported(source: Source, options: Options) -> Iterator[str]:
    """Yield a line for each table and column, and for vectors, that have no place here."""
    imports = {each.table: each for each in _table_imports(options)}
    for table, columns in source.tables.items():
        if table in CHAT_TABLES:
            yield f"{table}: {source.count(table):,} rows; chat is not supported yet"
        elif table not in imports:
            yield f"{table}: {source.count(table):,} rows; SMIMSO has no such table"
        elif unknown := _unknown(columns, imports[table]):
            yield f"{table}: unknown columns {', '.join(unknown)}"
    if options.clip_model and options.clip_model != clip_name():
        yield (
            f"the vectors of {options.clip_model}: searches use {clip_name()}, "
            "so images are embedded again"
        )


def _unknown(columns: Sequence[str], table_import: TableImport) -> list[str]:
    return [name for name in columns if name not in table_import.columns]
