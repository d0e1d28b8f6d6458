"""`manage.py maintain_index`: build or rebuild the vector index if the row count requires it."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from search.ann import index


class Command(BaseCommand):
    help = "Build or rebuild the vector index (ivfflat or HNSW) of image embeddings if needed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--force", action="store_true", help="rebuild even if up to date")

    def handle(self, *args: object, force: bool, **options: object) -> None:
        self.stdout.write(index.maintain(force=force))
