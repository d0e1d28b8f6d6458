"""`manage.py change_model NAME`: move the collection to another CLIP model."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ai.models import State
from ai.presets import PRESETS
from search.reembedding import services as reembedding
from search.reembedding.progress import Progress, current_progress
from smimso.errors import SmimsoError

POLL_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Embed all images with another CLIP model, then search by the new vectors. Searching and "
        "uploading continue meanwhile. You can interrupt the command: the workers continue, and "
        "the same command shows the progress again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        presets = ", ".join(PRESETS)
        parser.add_argument("model", nargs="?", help=f"{presets}, or as in SMIMSO_CLIP_MODEL")
        parser.add_argument("pretrained", nargs="?", default="", help="tag of its weights")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--status", action="store_true", help="show the progress")
        action.add_argument("--retry", action="store_true", help="retry unreadable images")
        action.add_argument("--anyway", action="store_true", help="continue without these images")
        action.add_argument("--cancel", action="store_true", help="keep the current model")
        action.add_argument("--rollback", action="store_true", help="return to the previous model")
        action.add_argument("--finish", action="store_true", help="delete the previous vectors")

    def handle(self, *args: object, **options: Any) -> None:
        try:
            self._handle(**options)
        except SmimsoError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("The workers continue; see --status and --cancel.")

    def _handle(self, **options: Any) -> None:
        if options["status"]:
            self.stdout.write(describe(current_progress()))
        elif options["retry"]:
            reembedding.retry_failed()
            self._watch(State.BACKFILLING)
        elif options["anyway"]:
            reembedding.accept_losses()
            self._watch(State.BACKFILLING)
        elif options["cancel"]:
            reembedding.cancel()
            self._watch(State.PURGING)
        elif options["rollback"]:
            reembedding.roll_back()
            self._watch(State.BACKFILLING)
        elif options["finish"]:
            reembedding.purge_previous()
            self._watch(State.PURGING)
        elif options["model"]:
            reembedding.start(options["model"], options["pretrained"])
            self._watch(State.BACKFILLING)
        else:
            raise CommandError("Name a model or an option; see --help")

    def _watch(self, state: State) -> None:
        """Take part in the work and show its progress until it leaves `state`.

        Stops as well when an operator has to decide.
        """
        progress = current_progress()
        with tqdm(total=0, unit="image", disable=None) as bar:
            while progress is not None and progress.state == state and not progress.needs_decision:
                bar.total = progress.total - progress.unreadable
                bar.set_description(progress.note or progress.secondary, refresh=False)
                bar.update(progress.done - bar.n)
                reembedding.advance()
                time.sleep(POLL_SECONDS)
                progress = current_progress()
            if progress is not None:
                bar.update(progress.done - bar.n)
        self.stdout.write(describe(progress))


def describe(progress: Progress | None) -> str:
    """Return the state of a change in a few lines."""
    if progress is None:
        return "All vectors are of one model."
    lines = [
        f"Searched: {progress.searched}. Second model: {progress.secondary} ({progress.state}).",
        f"{progress.done} of {progress.total} images have vectors of both.",
    ]
    if progress.needs_decision:
        lines.append(
            f"{progress.losses} images would drop out of search: restore their files and --retry, "
            "continue with --anyway, or --cancel."
        )
    elif progress.note:
        lines.append(f"Waiting: {progress.note}")
    if progress.unreadable:
        lines.append(f"{progress.unreadable} images were left out: their files can't be read.")
    if progress.without_file:
        lines.append(
            f"{progress.without_file} images are hosted elsewhere and can't be embedded again: "
            "only searches by the model of their vectors find them."
        )
    return "\n".join(lines)
