"""`manage.py fill_appearance`: compute missing perceptual hashes and color names."""

from django.core.management.base import BaseCommand

from posts.ingest import appearance_backfill


class Command(BaseCommand):
    help = (
        "Compute the perceptual hash and the colors of stored images that have none yet. "
        "Can be interrupted and started again."
    )

    def handle(self, *args: object, **options: object) -> None:
        total = 0
        while filled := appearance_backfill.backfill_appearance(seconds=30):
            total += filled
            self.stdout.write(f"Processed {total} images")
            self.stdout.flush()
        self.stdout.write("All images have colors")
