"""`manage.py change_model NAME`: moves the collection to another CLIP model."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ai.presets import PRESETS
from search.reembedding import services
from search.reembedding.progress import Progress, current_progress
from smimso.errors import SmimsoError

LOOK_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Embeds all images with another CLIP model beside the one that is searched, then searches "
        "by the new vectors. Searching and uploading go on meanwhile. May be interrupted: the "
        "workers go on, and the same command shows the progress again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        presets = ", ".join(PRESETS)
        parser.add_argument("model", nargs="?", help=f"{presets}, or as in SMIMSO_CLIP_MODEL")
        parser.add_argument("pretrained", nargs="?", default="", help="a tag of its weights")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--status", action="store_true", help="say how far it is")
        what.add_argument("--retry", action="store_true", help="try what could not be read again")
        what.add_argument("--anyway", action="store_true", help="go on without what can't be read")
        what.add_argument("--cancel", action="store_true", help="stay with the present model")
        what.add_argument("--rollback", action="store_true", help="go back to the former model")
        what.add_argument("--finish", action="store_true", help="give up the former vectors")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._handle(**options)
        except SmimsoError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("The workers go on with it; see --status and --cancel.")

    def _handle(self, **options: Any) -> None:
        if options["status"]:
            self.stdout.write(describe(current_progress()))
        elif options["retry"]:
            services.retry_failed()
            self._watch("coming")
        elif options["anyway"]:
            services.accept_losses()
            self._watch("coming")
        elif options["cancel"]:
            services.cancel()
            self._watch("leaving")
        elif options["rollback"]:
            services.roll_back()
            self._watch("coming")
        elif options["finish"]:
            services.purge_previous()
            self._watch("leaving")
        elif options["model"]:
            services.start(options["model"], options["pretrained"])
            self._watch("coming")
        else:
            raise CommandError("Name a model, or an option: see --help")

    def _watch(self, state: str) -> None:
        """Takes part in the work, and shows rate and time left, until this state is over.

        Or until an operator has to decide.
        """
        found = current_progress()
        with tqdm(total=0, unit="image", disable=None) as bar:
            while found is not None and found.state == state and not found.is_stuck:
                bar.total = found.total - found.given_up
                bar.set_description(found.note or found.beside, refresh=False)
                bar.update(found.done - bar.n)
                services.advance()
                time.sleep(LOOK_SECONDS)
                found = current_progress()
            if found is not None:
                bar.update(found.done - bar.n)
        self.stdout.write(describe(found))


def describe(found: Progress | None) -> str:
    """The state of a change in a few lines."""
    if found is None:
        return "The collection has vectors of one model."
    lines = [
        f"Searched: {found.searched}. Beside it: {found.beside} ({found.state}).",
        f"{found.done} of {found.total} images have vectors of both.",
    ]
    if found.is_stuck:
        lines.append(
            f"{found.leaving} images would leave the search: see to their files and --retry, go on "
            "with --anyway, or --cancel."
        )
    elif found.note:
        lines.append(f"Waiting: {found.note}")
    if found.given_up:
        lines.append(f"{found.given_up} images were left out: their files can't be read.")
    if found.without_file:
        lines.append(
            f"{found.without_file} images lie elsewhere and can't be looked at again: searches in "
            f"another space than the one that their vectors are of do not find them."
        )
    return "\n".join(lines)
