"""`manage.py fill_appearance`: perceptual hash and colours of images that have none yet."""

from typing import Any

from django.core.management.base import BaseCommand

from posts.ingest import backfill


class Command(BaseCommand):
    help = "Look at stored images that have no colours yet. May be stopped and started again."

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        while filled := backfill.backfill_appearance(seconds=30):
            total += filled
            self.stdout.write(f"Looked at {total} images")
            self.stdout.flush()
        self.stdout.write("No image is left without colours")
