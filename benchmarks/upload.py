"""How long an upload takes while the AI workers are busy, beside waiting for the AI as the
Node backend did.

    python benchmarks/upload.py

Starts a whole installation with the demo models, keeps both AI workers busy, posts three
10-megapixel JPEGs again and again, and waits for the AI of the same posts.
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
from tests.e2e.site import Site, drawn, running_site

ROUNDS = 10
SIZE = (3872, 2592)  # 10 megapixels


def photograph(seed: int) -> bytes:
    """A JPEG with the detail of a photograph: about 3 MB."""
    noise = np.random.default_rng(seed).integers(0, 255, (400, 600, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC).save(file, "JPEG", quality=88)
    return file.getvalue()


def keep_busy(site: Site, token: str, stop: threading.Event) -> None:
    """Images for the bulk worker, captions for the interactive one."""
    picture = drawn(choose_demo_scenes(1, seed=3)[0], 640)
    for _ in range(8):
        site.upload(token, *[picture] * 10)
    while not stop.is_set():
        site.post("/api/ai/image-features", files={"image": picture})
        site.upload(token, *[picture] * 4)


def measure(site: Site) -> tuple[list[float], list[float]]:
    token = site.register("Bench")
    stop = threading.Event()
    load = threading.Thread(target=keep_busy, args=(site, site.register("Load"), stop))
    load.start()
    time.sleep(3)
    answers, posts = [], []
    photographs = [photograph(seed) for seed in range(3)]
    for _ in range(ROUNDS):
        began = time.perf_counter()
        posts.append((site.upload(token, *photographs)["id"], began))
        answers.append(time.perf_counter() - began)
        time.sleep(0.5)
    stop.set()
    load.join()
    understood = []
    for post_id, began in posts:
        site.wait_until_done(token, post_id, seconds=600)
        understood.append(time.perf_counter() - began)
    return answers, understood


def main() -> None:
    with running_site() as site:
        answers, understood = measure(site)
    print(f"POST /api/posts, three JPEGs of 10 megapixels, AI workers busy, {ROUNDS} rounds")
    for name, seconds in (("answer", answers), ("answer after the AI", understood)):
        median, worst = statistics.median(seconds), max(seconds)
        print(f"  {name:22} median {median:7.3f} s   slowest {worst:7.3f} s")
    ratio = statistics.median(understood) / statistics.median(answers)
    print(f"  not waiting for the AI: {ratio:.0f} times sooner")


if __name__ == "__main__":
    main()
