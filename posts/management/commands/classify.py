"""`manage.py classify`: assign categories to posts again, from stored vectors."""

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from posts.ingest.classification import reclassify_all
from smimso.errors import SmimsoError


class Command(BaseCommand):
    help = (
        "Classify all posts whose category was not chosen by the author, for use after the "
        "categories or the model have changed. Images are not read again; an AI worker embeds the "
        "labels."
    )

    def handle(self, *args: object, **options: object) -> None:
        with tqdm(unit="post", disable=None) as bar:
            try:
                outcome = reclassify_all(bar.update)
            except SmimsoError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"{outcome.classified} posts classified, {outcome.changed} changed")
