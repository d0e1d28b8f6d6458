"""`manage.py import_smimso`: brings the database of the Node backend over."""

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
from importer.source import CannotRead, open_source
from importer.transfer import Options, transfer

_AGAIN = "What was read is stored; the same command goes on from there."


class Command(BaseCommand):
    requires_system_checks = []  # they are about serving; an error here is one line
    help = (
        "Bring over the database of the Node backend. Ids, times and passwords stay; it may be run "
        "again at any time, and then takes only what is new. Stop the old backend for the last run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dsn", required=True, help="postgresql://user@host/database (PGPASSWORD is read too)"
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
            help="the model that made the stored vectors, as /health calls it, such as "
            "ViT-B-32-quickgelu/openai; if it is not the one that is searched, and without it, "
            "images are embedded anew",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="check everything, write nothing"
        )
        parser.add_argument("--batch", type=_positive, default=1000, help="rows at a time (1000)")

    def handle(self, *args: Any, dsn: str, verbosity: int, **options: Any) -> None:
        names = ("uploads_dir", "clip_model", "dry_run", "batch")
        chosen = Options(**{name: options[name] for name in names})
        again = "Nothing was written." if chosen.dry_run else _AGAIN

        def open_progress(table: str, total: int) -> tqdm:
            # In a log file every line stays: one in ten seconds is enough.
            pause = 0.2 if sys.stderr.isatty() else 10
            return tqdm(
                total=total, desc=table, unit=" rows", mininterval=pause, disable=verbosity == 0
            )

        try:
            with open_source(dsn) as source:
                report = transfer(source, chosen, open_progress)
        except CannotRead as error:
            raise CommandError(str(error)) from error
        except (psycopg.Error, Error, OSError) as error:
            raise CommandError(f"Stopped: {shorten(str(error), 300)} {again}") from error
        except KeyboardInterrupt as error:
            workers.shutdown(wait=False, cancel_futures=True)
            raise CommandError(f"Stopped. {again}", returncode=130) from error
        self.stdout.write(str(report))


def _directory(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise ArgumentTypeError(f"{text} is no directory")
    return path


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("at least 1")
    return number
