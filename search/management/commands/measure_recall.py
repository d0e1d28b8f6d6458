"""`manage.py measure_recall`: run the nightly recall measurement now."""

from django.core.management.base import BaseCommand

from search.ann import recall


class Command(BaseCommand):
    help = "Measure recall@20 of the vector index and adapt the probes of searches to it."

    def handle(self, *args: object, **options: object) -> None:
        measurements = recall.measure()
        if not measurements:
            self.stdout.write("No vector index: searches are exact")
        for each in measurements:
            figure = "not measured" if each.recall is None else f"{each.recall:.3f}"
            self.stdout.write(
                f"{each.query_kind}: recall@{recall.K} {figure} of {each.queries} queries,"
                f" {each.index_kind}, probes {each.probes}. {each.note}"
            )
