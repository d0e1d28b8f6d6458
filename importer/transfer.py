"""A whole import: every table in the order in which rows refer to each other.

A batch is one transaction and rows are written by primary key, so that a run that was cut off is
simply started again. What is here already is replaced only by what is newer.
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
from importer.recount import correct_counters, report_bare_posts
from importer.report import Report, TableReport
from importer.rows import rows_of
from importer.source import Source
from importer.staging import load
from importer.table_import import Step
from importer.vectors import OldVectors

CHAT = (
    *("conversations", "conversation_participants", "messages", "message_reactions"),
    *("call_history", "user_online_status", "group_conversation_settings", "conversation_roles"),
    "user_push_subscriptions",
)


@dataclass(frozen=True)
class Options:
    """clip_model: what made the source's vectors; empty: unknown. batch: rows at a time."""

    uploads_dir: Path | None = None
    clip_model: str = ""
    batch: int = 1000
    dry_run: bool = False


class Progress(Protocol):
    def update(self, n: float | None = 1) -> bool | None: ...


OpenProgress = Callable[[str, int], AbstractContextManager[Progress]]


def transfer(source: Source, options: Options, open_progress: OpenProgress) -> Report:
    """A dry run does the same in one transaction, which it takes back; no file is stored."""
    report = Report(dry_run=options.dry_run)
    whole = transaction.atomic() if options.dry_run else nullcontext()
    with whole:
        for step in _steps(options):
            table = report.table(step.table)
            if reason := _why_not(source, step):
                report.left.append(f"{step.table}: {reason}")
                continue
            with open_progress(step.table, source.count(step.table)) as progress:
                _transfer_table(source, step, table, options.batch, progress)
        _renew_statistics()
        correct_counters(report.table("posts"), batch=options.batch)
        report_bare_posts(report.table("posts"))
        if options.dry_run:
            transaction.set_rollback(True)
    report.left += _what_is_left(source, options)
    return report


def _steps(options: Options) -> list[Step]:
    files = OldFiles(options.uploads_dir, keep=not options.dry_run)
    categories = Categories()
    return [
        categories,
        Users(files),
        Surveys(categories),
        Follows(),
        Posts(categories),
        PostImages(files, OldVectors(options.clip_model, searched=clip_name())),
        Comments(),
        Likes(),
        SavedPosts(),
        Activities(),
        Notifications(),
    ]


def _renew_statistics() -> None:
    """The planner knows nothing of what has just come, and would join row by row."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _why_not(source: Source, step: Step) -> str:
    if step.table not in source.tables:
        return "the source has no such table"
    missing = set(step.needed) - set(source.tables[step.table])
    return f"the table has no {', '.join(sorted(missing))}" if missing else ""


def _transfer_table(
    source: Source, step: Step, report: TableReport, batch: int, progress: Progress
) -> None:
    size = min(batch, step.most)
    for values in source.batches(step.table, step.columns, step.order, size):
        cleaned = step.clean(rows_of(values, report))
        with transaction.atomic():
            step.before_writing(cleaned)
            outcome = load(step.target, cleaned)
        report.read += len(values)
        report.taken += len(outcome.taken)
        report.updated += len(outcome.updated)
        report.same += len(outcome.same)
        found = outcome.taken | outcome.updated | outcome.same
        for row in cleaned:
            if row["id"] not in found:
                report.skip(step.target.twice, str(row["id"]))
        progress.update(len(values))


def _what_is_left(source: Source, options: Options) -> Iterator[str]:
    """Nothing is dropped without a word: tables and columns that have no place here."""
    steps = {step.table: step for step in _steps(options)}
    for table, columns in source.tables.items():
        if table in CHAT:
            yield f"{table}: {source.count(table):,} rows; chat comes later"
        elif table not in steps:
            yield f"{table}: {source.count(table):,} rows; no table of SMIMSO"
        elif unknown := _unknown(columns, steps[table]):
            yield f"{table}: unknown columns {', '.join(unknown)}"
    if options.clip_model and options.clip_model != clip_name():
        yield (
            f"the vectors of {options.clip_model}: searches use {clip_name()}, "
            "by which images are embedded anew"
        )


def _unknown(columns: Sequence[str], step: Step) -> list[str]:
    return [name for name in columns if name not in step.columns]
