"""Relevance of search results among drawn scenes with known content.

    python benchmarks/relevance.py [number of scenes]

The scenes are embedded and captioned by the real engine (cached in var/), posted with titles as
members write them, and searched through the search service on a temporary database. Prints nDCG@10
of hybrid search, of vectors alone and of keywords alone, and how many composed, excluding and
nonsense queries return the expected results.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# These settings use the servers of this run, not Redis or a worker of a real installation.
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

import numpy as np  # noqa: E402
import psycopg  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from ai import services as ai  # noqa: E402
from ai.demo_models.drawing import draw_scene  # noqa: E402
from ai.demo_models.scenes import Scene  # noqa: E402
from ai.worker import get_engine  # noqa: E402
from benchmarks.data import judged  # noqa: E402
from benchmarks.data.drawn import WIDTH, load_drawn_scenes  # noqa: E402
from posts.models import Post  # noqa: E402
from search import retrieval, services  # noqa: E402
from search.query import Query, parse_query  # noqa: E402
from search.query_embedding import encode_query  # noqa: E402
from smimso.local import servers  # noqa: E402
from smimso.local.processes import postgres  # noqa: E402
from smimso.local.processes import redis as redis_server  # noqa: E402
from smimso.text import fold  # noqa: E402

SCENES, QUERIES = 2_400, 60


def strip_diacritics(text: str) -> str:
    return fold([text])[0]


LANGUAGES = {
    "English": ("en", str),
    "Vietnamese": ("vi", str),
    "Vietnamese without marks": ("vi", strip_diacritics),
}
Find = Callable[[str], list[int]]


@contextmanager
def run_database() -> Iterator[None]:
    data_dir, account = settings.DATA_DIR, servers.ensure_server_account()
    servers.prepare_directories(data_dir, account)
    servers.init_postgres(data_dir, account, durable=False)
    programs = [server(data_dir, account, durable=False) for server in (postgres, redis_server)]
    with tempfile.TemporaryFile() as log:
        started = [
            subprocess.Popen(p.child_command(), env=p.environment, stdout=log, stderr=log)
            for p in programs
        ]
        try:
            _wait_for_postgres(data_dir)
            servers.create_database(data_dir)
            call_command("migrate", verbosity=0)
            yield
        finally:
            for program, process in zip(programs, started, strict=True):
                process.send_signal(program.stop_signal)
                process.wait(30)


def _wait_for_postgres(data_dir: Path) -> None:
    for _ in range(200):
        try:
            psycopg.connect(servers.database_url(data_dir, "postgres")).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("PostgreSQL did not start")


class PostCollection:
    """The posts of the scenes, and the methods to search them. Results are scene numbers."""

    def __init__(self, scenes: list[Scene], posts: list[Post]) -> None:
        self.scenes, self.posts = scenes, posts
        self._numbers = {post.pk: number for number, post in enumerate(posts)}

    def search_hybrid(self, text: str) -> list[int]:
        page = services.search(None, parse_query(text), limit=10, min_score=0.0)
        return [self._numbers[match.post.pk] for match in page.matches]

    def search_vectors(self, text: str) -> list[int]:
        query = parse_query(text)
        candidates = retrieval.by_vector(None, query, encode_query(None, query))
        return [self._numbers[candidate.post_id] for candidate in candidates[:10]]

    def search_keywords(self, text: str) -> list[int]:
        query = parse_query(text)
        candidates = retrieval.by_keywords(None, query, encode_query(None, query), [], 0.0)
        return [self._numbers[candidate.post_id] for candidate in candidates[:10]]

    def list_shown(self, query: Query, limit: int = 10) -> list[Scene]:
        """Return the scenes that members see, without results below the minimum score."""
        page = services.search(None, query, limit=limit)
        return [self.scenes[self._numbers[match.post.pk]] for match in page.matches]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SCENES
    collection = load_drawn_scenes(count)
    replace_worker_calls()
    with run_database():
        posts = judged.save_posts(
            collection.scenes, collection.vectors, collection.captions, get_engine().clip_name
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        searchable = PostCollection(collection.scenes, posts)
        report_composed(searchable)
        report_excluding(searchable)
        report_nonsense(searchable)
        report_ndcg(searchable)
        report_cut(searchable)


def replace_worker_calls() -> None:
    """Replace the calls to a worker with calls to the engine in this process."""
    known: dict[str, list[float]] = {}

    def embed_text(text: str) -> list[float]:
        if text not in known:
            known[text] = get_engine().embed_texts([text])[0].tolist()
        return known[text]

    def describe_image(image: object) -> tuple[list[float], str]:
        engine = get_engine()
        return engine.embed_images([image])[0].tolist(), engine.caption_images([image])[0]

    ai.embed_text, ai.describe_image = embed_text, describe_image  # type: ignore[assignment]


def report_ndcg(collection: PostCollection) -> None:
    searches: dict[str, Find] = {
        "hybrid": collection.search_hybrid,
        "CLIP alone": collection.search_vectors,
        "words alone": collection.search_keywords,
    }
    print(f"{len(collection.posts)} scenes; nDCG@10 of {QUERIES} queries each")
    print(f"{'':28}" + "".join(f"{name:>13}" for name in searches))
    totals = []
    for label, (language, typed) in LANGUAGES.items():
        queries = judged.sample_queries(collection.scenes, QUERIES, language)
        rows = []
        for query in queries:
            gains = [judged.grade(scene, query) for scene in collection.scenes]
            rows.append(
                [judged.compute_ndcg(find(typed(query.text)), gains) for find in searches.values()]
            )
        totals += rows
        print(f"  {label:26}" + "".join(f"{value:13.3f}" for value in np.mean(rows, axis=0)))
    print(f"  {'all':26}" + "".join(f"{value:13.3f}" for value in np.mean(totals, axis=0)))


def report_cut(collection: PostCollection) -> None:
    """Print recall and precision of the results above the minimum score."""
    recalls, precisions, sizes = [], [], []
    for language in ("en", "vi"):
        for query in judged.sample_queries(collection.scenes, 25, language, seed=2):
            shown = collection.list_shown(parse_query(query.text), limit=400)
            relevant = sum(judged.is_match(scene, query) for scene in collection.scenes)
            right = sum(judged.is_match(scene, query) for scene in shown)
            sizes.append(len(shown))
            if relevant:
                recalls.append(right / min(relevant, 400))
            if shown:
                precisions.append(right / len(shown))
    recall, precision = np.mean(recalls), np.mean(precisions)
    print(f"above the minimum score: recall {recall:.0%}, precision {precision:.0%}")
    print(f"  {np.median(sizes):.0f} results (median); none for {sizes.count(0)} queries")


def report_composed(collection: PostCollection) -> None:
    """Count the queries with at least two of the first three results of the kind and change."""
    done, failed = 0, []
    for number, change in enumerate(judged.CHANGES):
        source = next(n for n, scene in enumerate(collection.scenes) if change.is_source(scene))
        post = collection.posts[source]
        if number % 4:  # by post; every fourth query uses a picture that is not in the collection
            query = parse_query(change.text, post_id=post.pk)
        else:
            picture = draw_scene(collection.scenes[source], WIDTH - 80)
            query = parse_query(change.text, image=picture)
        shown = collection.list_shown(query, limit=3)
        met = sum(change.is_met(scene) for scene in shown) >= 2
        done += met
        failed += [] if met else [f"{change.kind} {change.text}"]
    report("composed", done, len(judged.CHANGES), failed)


def report_excluding(collection: PostCollection) -> None:
    """Count the queries whose first ten results have no excluded and eight wanted scenes."""
    done, failed = 0, []
    for case in judged.EXCLUSIONS:
        shown = collection.list_shown(parse_query(case.text))
        wrong = sum(case.is_excluded(scene) for scene in shown)
        wanted = sum(case.is_wanted(scene) for scene in shown)
        met = wrong == 0 and wanted >= 8
        done += met
        failed += [] if met else [f"{case.text} (wrong {wrong}, wanted {wanted}/{len(shown)})"]
    report("excluding", done, len(judged.EXCLUSIONS), failed)


def report_nonsense(collection: PostCollection) -> None:
    counts = {text: len(collection.list_shown(parse_query(text))) for text in judged.NONSENSE}
    failed = [f"{text} ({count})" for text, count in counts.items() if count]
    report("nonsense, nothing found", len(counts) - len(failed), len(counts), failed)


def report(name: str, done: int, count: int, failed: list[str]) -> None:
    print(f"{name}: {done} of {count}, {done / count:.0%}")
    print(f"  not: {', '.join(failed) or '-'}", flush=True)


if __name__ == "__main__":
    main()
