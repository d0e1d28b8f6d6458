"""`manage.py import_smimso`: import the database of the Node backend."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from textwrap import shorten
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from tqdm import tqdm

from importer.old_files import workers
from importer.source import SourceError, open_source
from importer.transfer import Options, transfer

_RESUME_HINT = "All finished batches are stored. Run the same command again to continue."


class Command(BaseCommand):
    requires_system_checks = []  # they concern serving; errors of this command are one line
    help = (
        "Import the database of the Node backend. Ids, times and passwords stay the same. Running "
        "it again imports only what is new or newer. Stop the old backend before the last run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dsn", required=True, help="postgresql://user@host/database (PGPASSWORD works too)"
        )
        parser.add_argument(
            "--uploads-dir",
            type=_directory,
            help="the old backend's uploads directory, or a copy of its storage bucket",
        )
        parser.add_argument(
            "--clip-model",
            default="",
            metavar="NAME",
            help="the model that made the source's vectors, as in its /health, for example "
            "ViT-B-32-quickgelu/openai. Without it, or if it is not the model that searches use "
            "here, the vectors are not imported and images are embedded again",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="check everything, write nothing"
        )
        parser.add_argument("--batch", type=_positive, default=1000, help="rows per batch (1000)")

    def handle(self, *args: Any, dsn: str, verbosity: int, **options: Any) -> None:
        names = ("uploads_dir", "clip_model", "dry_run", "batch")
        import_options = Options(**{name: options[name] for name in names})
        hint = "Nothing was written." if import_options.dry_run else _RESUME_HINT

        def open_progress(table: str, total: int) -> tqdm:
            # In a log file each update is a line of its own: one every ten seconds is enough.
            interval = 0.2 if sys.stderr.isatty() else 10
            return tqdm(
                total=total, desc=table, unit=" rows", mininterval=interval, disable=verbosity == 0
            )

        try:
            with open_source(dsn) as source:
                report = transfer(source, import_options, open_progress)
        except SourceError as error:
            raise CommandError(str(error)) from error
        except (psycopg.Error, Error, OSError) as error:
            raise CommandError(f"Stopped: {shorten(str(error), 300)} {hint}") from error
        except KeyboardInterrupt as error:
            workers.shutdown(wait=False, cancel_futures=True)
            raise CommandError(f"Stopped. {hint}", returncode=130) from error
        self.stdout.write(str(report))


def _directory(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise ArgumentTypeError(f"{text} is not a directory")
    return path


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("must be 1 or more")
    return number
