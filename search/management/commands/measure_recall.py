"""`manage.py measure_recall`: what the nightly job does, at once."""

from typing import Any

from django.core.management.base import BaseCommand

from search.ann import recall


class Command(BaseCommand):
    help = "Measure recall@20 of the vector index and let the effort of searches follow."

    def handle(self, *args: Any, **options: Any) -> None:
        measured = recall.measure()
        if not measured:
            self.stdout.write("No vector index: searches are exact")
        for each in measured:
            found = "not measured" if each.recall is None else f"{each.recall:.3f}"
            self.stdout.write(
                f"{each.query_kind}: recall@{recall.K} {found} of {each.queries} queries,"
                f" {each.index_kind}, probes {each.probes}. {each.note}"
            )
