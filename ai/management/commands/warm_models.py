"""`manage.py warm_models`: fetch the configured weights before anyone waits for them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ai.errors import ModelUnavailable
from ai.worker import get_engine


class Command(BaseCommand):
    help = "Fetch the configured CLIP and BLIP weights, load them once and say where they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--record",
            action="store_true",
            help="keep vectors of the preset's CLIP (ai/golden/); at later starts, every machine "
            "compares its own with them",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        current = get_engine()
        try:
            clip, blip = current.clip.get().location, current.blip.get().location
        except ModelUnavailable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{current.clip_name}: {clip}\n{current.blip_name}: {blip}")
        if options["record"]:
            self._record(current)

    def _record(self, current: Any) -> None:
        from ai.engine import self_test  # torch, which other commands do without

        if not current.preset.key:
            raise CommandError(f"{current.clip_name} is no preset: nothing is compared with it")
        path = self_test.record_golden(current.clip.get(), current.preset)
        self.stdout.write(f"{current.preset.key}: recorded in {path}")
