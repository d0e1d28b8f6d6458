"""`manage.py classify`: gives posts their categories anew, from stored vectors."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from posts.ingest.classification import reclassify_all
from smimso.errors import SmimsoError


class Command(BaseCommand):
    help = (
        "Classify all posts whose category no author chose, after the categories or the model "
        "have changed. No image is read again; an AI worker makes the vectors of the labels."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with tqdm(unit="post", disable=None) as bar:
            try:
                found = reclassify_all(bar.update)
            except SmimsoError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"{found.classified} posts classified, {found.changed} changed")
