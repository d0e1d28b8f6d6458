"""`manage.py warm_models`: fetch the configured weights before anyone waits for them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ai.errors import ModelUnavailable
from ai.worker import engine


class Command(BaseCommand):
    help = "Fetch the configured CLIP and BLIP weights, load them once and say where they are."

    def handle(self, *args: Any, **options: Any) -> None:
        current = engine()
        for name, model in (
            (current.clip_name, current.clip),
            (current.blip_name, current.blip),
        ):
            try:
                self.stdout.write(f"{name}: {model.get().location}")
            except ModelUnavailable as error:
                raise CommandError(str(error)) from error
