"""Latency of an upload while the AI workers are busy, with and without waiting for the AI.

    python benchmarks/upload.py

Starts a whole installation with the demo models, keeps both AI workers busy, posts three
10-megapixel JPEGs repeatedly, and then waits for the AI of these posts, as the Node backend did.
"""

import io
import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ai.demo_models.scenes import choose_demo_scenes
from tests.e2e.site import Site, draw_jpeg, running_site

ROUNDS = 10
SIZE = (3872, 2592)  # 10 megapixels


def make_photograph(seed: int) -> bytes:
    """Return a JPEG with the detail of a photograph, about 3 MB."""
    noise = np.random.default_rng(seed).integers(0, 255, (400, 600, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC).save(file, "JPEG", quality=88)
    return file.getvalue()


def load_workers(site: Site, token: str, stop: threading.Event) -> None:
    """Send images to the bulk worker and captions to the interactive one until `stop` is set."""
    picture = draw_jpeg(choose_demo_scenes(1, seed=3)[0], 640)
    for _ in range(8):
        site.upload(token, *[picture] * 10)
    while not stop.is_set():
        site.post("/api/ai/image-features", files={"image": picture})
        site.upload(token, *[picture] * 4)


def measure(site: Site) -> tuple[list[float], list[float]]:
    token = site.register("Bench")
    stop = threading.Event()
    load = threading.Thread(target=load_workers, args=(site, site.register("Load"), stop))
    load.start()
    time.sleep(3)
    answers, posts = [], []
    photographs = [make_photograph(seed) for seed in range(3)]
    for _ in range(ROUNDS):
        began = time.perf_counter()
        posts.append((site.upload(token, *photographs)["id"], began))
        answers.append(time.perf_counter() - began)
        time.sleep(0.5)
    stop.set()
    load.join()
    processed = []
    for post_id, began in posts:
        site.wait_until_done(token, post_id, seconds=600)
        processed.append(time.perf_counter() - began)
    return answers, processed


def main() -> None:
    with running_site() as site:
        answers, processed = measure(site)
    print(f"POST /api/posts, three JPEGs of 10 megapixels, AI workers busy, {ROUNDS} rounds")
    for name, seconds in (("answer", answers), ("answer after the AI", processed)):
        median, worst = statistics.median(seconds), max(seconds)
        print(f"  {name:22} median {median:7.3f} s   slowest {worst:7.3f} s")
    ratio = statistics.median(processed) / statistics.median(answers)
    print(f"  not waiting for the AI: {ratio:.0f} times faster")


if __name__ == "__main__":
    main()
