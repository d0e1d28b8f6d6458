"""How long a search's text waits for its vector while a bulk ingest keeps the other worker busy.

    python benchmarks/interactive.py [--seconds 45]

Starts PostgreSQL, Redis, the interactive and the bulk worker as `manage.py up` does, with models of
full size and random weights, and asks `ai.services.embed_text`, the function behind the search, for
texts that no cache has: first with idle workers, then while members have ten pictures captioned at
the same time, then while the bulk worker embeds and captions photographs of 12 megapixels out of
its queues.
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

from full_size.models import full_size_models  # noqa: E402
from full_size.photographs import photographs  # noqa: E402

GOAL = 60.0  # ms, p95 under load
FILES, IMAGES, PICTURES = 8, 1_000, 10
PAUSE = 0.05  # seconds between two questions
WORDS = ("harbour", "at night", "red", "boats", "two cats", "mountain", "sea", "market", "rain")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a query's latency under bulk load.")
    parser.add_argument("--seconds", type=float, default=45)
    seconds = parser.parse_args().seconds
    models = full_size_models()
    with tempfile.TemporaryDirectory(prefix="smimso-interactive-") as name:
        data_dir = Path(name)
        data_dir.chmod(0o755)  # as root, PostgreSQL runs as another user
        os.environ |= {**models, "SMIMSO_DATA_DIR": name}
        with installation(data_dir):
            report("workers idle", latencies(seconds / 3, start=0))
            with captioning(PICTURES) as waits:
                times = latencies(seconds / 2, start=500_000)
            report(f"{PICTURES} pictures being captioned", times)
            print(f"a member waits for a caption: {figures(waits)}")
            goal(times)
            done = counter()
            fill_queue()
            wait_until(lambda: done() > 0, 120)
            before, began = done(), time.perf_counter()
            times = latencies(seconds, start=1_000_000)
            rate = (done() - before) / (time.perf_counter() - began)
            report("bulk worker busy", times)
            print(f"meanwhile {rate:.1f} steps (vectors and captions) a second in the background")
            goal(times)


def goal(times: list[float]) -> None:
    p95 = percentile(times, 95)
    print(f"p95 ≤ {GOAL:.0f} ms: {'reached' if p95 <= GOAL else 'missed'}")


@contextmanager
def captioning(number: int) -> Iterator[list[float]]:
    """As a drop of so many pictures into the frontend's form, again and again; how long each took,
    in milliseconds."""
    from accounts.models import Category
    from media.images import decode_bytes
    from posts.ingest import suggestions

    assert Category.objects.exists()
    picture, stop, waits = decode_bytes(next(photographs(1))), threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            if suggestions.suggest_caption(picture)[0]:
                waits.append(1000 * (time.perf_counter() - began))

    threads = [threading.Thread(target=ask) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield waits
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def installation(data_dir: Path) -> Iterator[None]:
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
        wait_until(lambda: database_answers(data_dir) and launcher.redis_responds(), 60)
        local_servers.create_database(data_dir)
        call_command("migrate", verbosity=0, interactive=False)
        for program in workers:
            start(program)
        wait_until(lambda: loaded() >= {"interactive", "caption", "embed"}, 180)
        yield
    finally:
        for program, process in reversed(running):
            process.send_signal(program.stop_signal)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def database_answers(data_dir: Path) -> bool:
    import psycopg

    from smimso.local import servers as local_servers

    try:
        psycopg.connect(local_servers.database_url(data_dir, "postgres")).close()
    except psycopg.OperationalError:
        return False
    return True


def loaded() -> set[str]:
    """The queues whose worker has its models."""
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
        for number, data in enumerate(photographs(FILES))
    ]
    posts = Post.objects.bulk_create(Post(user=user, title="Bench") for _ in range(count))
    images = PostImage.objects.bulk_create(
        PostImage(post=post, image_path=paths[n % FILES], image_url="/x.jpg", display_order=0)
        for n, post in enumerate(posts)
    )
    queue.enqueue(EMBED, [image.pk for image in images])


def counter() -> Callable[[], int]:
    """How many vectors and captions there are."""
    from posts.models import AIStatus, PostImage

    def done() -> int:
        finished = PostImage.objects.filter(ai_status=AIStatus.DONE).count()
        return 2 * finished + PostImage.objects.filter(ai_status=AIStatus.EMBEDDED).count()

    return done


def latencies(seconds: float, *, start: int) -> list[float]:
    """Milliseconds; each text is a new one."""
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
    print(f"{name}: {len(times)} texts → vectors: {figures(times)}", flush=True)


def figures(times: list[float]) -> str:
    found = {"p50": statistics.median(times), "p95": percentile(times, 95), "slowest": max(times)}
    return "   ".join(f"{key} {value:.1f} ms" for key, value in found.items())


def percentile(times: list[float], percent: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def wait_until(holds: Callable[[], Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            sys.exit("Something that the benchmark needs did not start.")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
