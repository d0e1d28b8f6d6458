"""`manage.py warm_models`: fetch the configured weights before a worker needs them."""

from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ai.errors import ModelUnavailable
from ai.worker import get_engine

if TYPE_CHECKING:
    from ai.engine import Engine


class Command(BaseCommand):
    help = "Fetch the configured CLIP and BLIP weights, load them once and print their location."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--record",
            action="store_true",
            help="store reference vectors of the preset's CLIP in ai/golden/; every worker "
            "compares its own vectors with them when it starts",
        )

    def handle(self, *args: object, **options: object) -> None:
        engine = get_engine()
        try:
            clip, blip = engine.clip.get().location, engine.blip.get().location
        except ModelUnavailable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{engine.clip_name}: {clip}\n{engine.blip_name}: {blip}")
        if options["record"]:
            self._record(engine)

    def _record(self, engine: "Engine") -> None:
        from ai.engine import self_test  # torch, which other commands do without

        if not engine.preset.key:
            raise CommandError(f"{engine.clip_name} is not a preset, so nothing is compared")
        path = self_test.record_golden(engine.clip.get(), engine.preset)
        self.stdout.write(f"{engine.preset.key}: recorded in {path}")
