"""Latency of a query's vector while the bulk worker is busy with an ingest.

    python benchmarks/interactive.py [--seconds 45]

Starts PostgreSQL, Redis, the interactive and the bulk worker as `manage.py up` does, with
full-size models and random weights, and calls `ai.services.embed_text`, which search uses, with
texts that are not cached: first with idle workers, then while ten pictures are captioned at the
same time, then while the bulk worker embeds and captions queued 12-megapixel photographs.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")

from full_size.models import prepare_models  # noqa: E402
from full_size.photographs import load_photographs  # noqa: E402

GOAL = 60.0  # ms, p95 under load
FILES, IMAGES, PICTURES = 8, 1_000, 10
PAUSE = 0.05  # seconds between two calls
WORDS = ("harbour", "at night", "red", "boats", "two cats", "mountain", "sea", "market", "rain")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a query's latency under bulk load.")
    parser.add_argument("--seconds", type=float, default=45)
    seconds = parser.parse_args().seconds
    models = prepare_models()
    with tempfile.TemporaryDirectory(prefix="smimso-interactive-") as name:
        data_dir = Path(name)
        data_dir.chmod(0o755)  # as root, PostgreSQL runs as another user
        os.environ |= {**models, "SMIMSO_DATA_DIR": name}
        with run_installation(data_dir):
            report("workers idle", measure_latencies(seconds / 3, start=0))
            with run_captioning(PICTURES) as waits:
                times = measure_latencies(seconds / 2, start=500_000)
            report(f"{PICTURES} pictures being captioned", times)
            print(f"latency of a caption: {format_figures(waits)}")
            report_goal(times)
            done = make_counter()
            fill_queue()
            wait_until(lambda: done() > 0, 120)
            before, began = done(), time.perf_counter()
            times = measure_latencies(seconds, start=1_000_000)
            rate = (done() - before) / (time.perf_counter() - began)
            report("bulk worker busy", times)
            print(f"meanwhile {rate:.1f} steps (vectors and captions) a second in the background")
            report_goal(times)


def report_goal(times: list[float]) -> None:
    p95 = compute_percentile(times, 95)
    print(f"p95 ≤ {GOAL:.0f} ms: {'reached' if p95 <= GOAL else 'missed'}")


@contextmanager
def run_captioning(number: int) -> Iterator[list[float]]:
    """Request captions for `number` pictures at once, repeatedly, as the upload form does.

    Yield the list of their latencies in milliseconds, which grows meanwhile.
    """
    from accounts.models import Category
    from media.images import decode_bytes
    from posts.ingest import suggestions

    assert Category.objects.exists()
    picture, stop, waits = decode_bytes(next(load_photographs(1))), threading.Event(), []

    def request_captions() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            if suggestions.suggest_caption(picture)[0]:
                waits.append(1000 * (time.perf_counter() - began))

    threads = [threading.Thread(target=request_captions) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield waits
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def run_installation(data_dir: Path) -> Iterator[None]:
    import django

    django.setup()
    from django.core.management import call_command

    from smimso.local import launcher, processes
    from smimso.local import servers as local_servers

    account = local_servers.ensure_server_account()
    local_servers.prepare_directories(data_dir, account)
    local_servers.init_postgres(data_dir, account)
    environment = dict(os.environ)
    servers = (processes.postgres(data_dir, account), processes.redis(data_dir, account))
    workers = (processes.interactive_worker(environment), processes.bulk_worker(environment))
    running: list[tuple[Any, subprocess.Popen[bytes]]] = []

    def start(program: Any) -> None:
        with (data_dir / f"{program.name}.log").open("wb") as log:
            process = subprocess.Popen(
                program.child_command(), env=program.environment, stdout=log, stderr=log
            )
        running.append((program, process))

    try:
        for program in servers:
            start(program)
        wait_until(lambda: is_database_up(data_dir) and launcher.redis_responds(), 60)
        local_servers.create_database(data_dir)
        call_command("migrate", verbosity=0, interactive=False)
        for program in workers:
            start(program)
        wait_until(lambda: list_ready_queues() >= {"interactive", "caption", "embed"}, 180)
        yield
    finally:
        for program, process in reversed(running):
            process.send_signal(program.stop_signal)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def is_database_up(data_dir: Path) -> bool:
    import psycopg

    from smimso.local import servers as local_servers

    try:
        psycopg.connect(local_servers.database_url(data_dir, "postgres")).close()
    except psycopg.OperationalError:
        return False
    return True


def list_ready_queues() -> set[str]:
    """Return the queues whose worker has loaded its models."""
    from ai import heartbeat

    workers = heartbeat.live_workers()
    return {
        q for worker in workers if worker.clip.loaded and worker.blip.loaded for q in worker.queues
    }


def fill_queue(count: int = IMAGES) -> None:
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    from accounts.models import User
    from posts.ingest import queue
    from posts.models import Post, PostImage
    from smimso.queues import EMBED

    user = User.objects.create_user("bench@example.test", "secret-1", first_name="Bench")
    paths = [
        default_storage.save(f"bench/{number}.jpg", ContentFile(data))
        for number, data in enumerate(load_photographs(FILES))
    ]
    posts = Post.objects.bulk_create(Post(user=user, title="Bench") for _ in range(count))
    images = PostImage.objects.bulk_create(
        PostImage(post=post, image_path=paths[n % FILES], image_url="/x.jpg", display_order=0)
        for n, post in enumerate(posts)
    )
    queue.enqueue(EMBED, [image.pk for image in images])


def make_counter() -> Callable[[], int]:
    """Return a function that counts the stored vectors and captions."""
    from posts.models import AIStatus, PostImage

    def count_done() -> int:
        finished = PostImage.objects.filter(ai_status=AIStatus.DONE).count()
        return 2 * finished + PostImage.objects.filter(ai_status=AIStatus.EMBEDDED).count()

    return count_done


def measure_latencies(seconds: float, *, start: int) -> list[float]:
    """Return the latencies in milliseconds of texts that were never sent before."""
    from ai import services

    times, deadline, number = [], time.monotonic() + seconds, start
    while time.monotonic() < deadline:
        number += 1
        text = f"{WORDS[number % len(WORDS)]} {WORDS[number // 7 % len(WORDS)]} {number}"
        began = time.perf_counter()
        services.embed_text(text)
        times.append(1000 * (time.perf_counter() - began))
        time.sleep(PAUSE)
    return times


def report(name: str, times: list[float]) -> None:
    print(f"{name}: {len(times)} texts → vectors: {format_figures(times)}", flush=True)


def format_figures(times: list[float]) -> str:
    cells = {
        "p50": statistics.median(times),
        "p95": compute_percentile(times, 95),
        "slowest": max(times),
    }
    return "   ".join(f"{key} {value:.1f} ms" for key, value in cells.items())


def compute_percentile(times: list[float], percent: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def wait_until(is_ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_ready():
        if time.monotonic() > deadline:
            sys.exit("A service of the benchmark did not start.")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
