"""`manage.py maintain_index`: builds or rebuilds the vector index if the row count asks for it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from search.ann import index


class Command(BaseCommand):
    help = "Build, rebuild or leave the vector index (ivfflat, or HNSW) on image embeddings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--force", action="store_true", help="rebuild even if it fits")

    def handle(self, *args: Any, force: bool, **options: Any) -> None:
        self.stdout.write(index.maintain(force=force))
