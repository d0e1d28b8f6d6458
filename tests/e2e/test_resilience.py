"""No image is lost when a worker dies during a batch or Redis is down during uploads."""

import time

import psutil
import pytest

from ai.demo_models.scenes import choose_demo_scenes
from tests.e2e.site import PATIENCE, Site, draw_jpeg

pytestmark = pytest.mark.slow

IMAGES, IMAGES_PER_POST = 30, 10  # two of the worker's batches
OUTAGE_SECONDS = 8.0  # longer than images wait before they are queued again


def test_a_worker_killed_in_the_middle_of_its_work_loses_no_image(site: Site) -> None:
    author = site.register("Author")
    scenes = choose_demo_scenes(IMAGES, seed=7)
    posts = []
    worker = psutil.Process(site.pid_of("bulk"))
    worker.suspend()  # a fast worker would be done before the last upload
    for start in range(0, IMAGES, IMAGES_PER_POST):
        pictures = [draw_jpeg(scene, 480) for scene in scenes[start : start + IMAGES_PER_POST]]
        posts.append(site.upload(author, *pictures)["id"])
    worker.resume()
    deadline = time.monotonic() + PATIENCE
    while states(site, author, posts) == {"pending"}:
        assert time.monotonic() < deadline, "the worker does not begin"
        time.sleep(0.05)
    worker.kill()
    assert states(site, author, posts) != {"done"}, "the worker was done before it was killed"

    site.wait_for_line("bulk was killed (SIGKILL)", "starting it again")
    site.wait_until_done(author, *posts)
    assert site.pid_of("bulk") != worker.pid


def test_an_outage_of_redis_during_uploads_loses_no_image(site: Site) -> None:
    author = site.register("Author")
    pictures = [draw_jpeg(scene, 480) for scene in choose_demo_scenes(6, seed=8)]
    posts = [site.upload(author, pictures[0])["id"]]
    site.redis.stop()
    stopped = time.monotonic()
    try:
        for picture in pictures[1:]:
            posts.append(site.upload(author, picture)["id"])
            time.sleep(1)
        # Keyword search works while the AI is unreachable.
        answer = site.post("/api/search/text", author, json={"query": "cat"})
        assert answer.status_code == 200
        assert not answer.json()["data"]["ai_available"]
        assert site.get("/health").status_code == 200
        time.sleep(max(0.0, stopped + OUTAGE_SECONDS - time.monotonic()))
    finally:
        site.redis.start()
    site.wait_until_done(author, *posts)
    deadline = time.monotonic() + PATIENCE
    while not knows_what_words_mean(site, author):
        assert time.monotonic() < deadline, "the worker takes no texts since Redis was away"
        time.sleep(1)


def knows_what_words_mean(site: Site, token: str) -> bool:
    answer = site.post("/api/search/text", token, json={"query": f"cat {time.monotonic()}"})
    return answer.json()["data"]["ai_available"]


def states(site: Site, token: str, posts: list[str]) -> set[str]:
    return {
        image["ai_status"]
        for post_id in posts
        for image in site.get(f"/api/posts/{post_id}", token).json()["data"]["images"]
    }
