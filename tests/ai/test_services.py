"""Calls to the AI: replies of a real worker, and a prompt refusal without one."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.core.cache import cache
from django.db import connection, transaction
from PIL import Image

from ai import heartbeat, rpc, services
from ai.demo_models.drawing import draw_scene
from ai.demo_models.scenes import VALIDATION_SEEDS, sample_scenes
from ai.heartbeat import ModelState, WorkerState
from ai.image_codec import encode
from ai.rpc import RemoteTask
from smimso.celery import app
from smimso.errors import InvalidInput, Unavailable
from smimso.queues import INTERACTIVE
from smimso.redis import redis_client

pytestmark = pytest.mark.django_db

PATIENCE = 300.0  # seconds; a loaded machine may need many of them
PROMPT = 5.0  # seconds of a refusal that waits for nothing: milliseconds on an idle machine


@contextmanager
def takes_seconds(minimum: float, maximum: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert minimum <= time.monotonic() - start < maximum


def wait_for_models() -> None:
    deadline = time.monotonic() + PATIENCE
    while not any(w.clip.loaded and w.blip.loaded for w in services.worker_states()):
        assert time.monotonic() < deadline, "the worker's models are not loaded"
        time.sleep(0.1)


@pytest.fixture
def ready(worker: None) -> None:
    wait_for_models()


@pytest.fixture
def deaf_worker(servers: Path) -> Iterator[Callable[..., None]]:
    """`deaf_worker()`: the state of a worker that seems to be alive and never replies."""
    names = []

    def appear(**changes: Any) -> None:
        loaded = {
            "clip": ModelState(services.clip_name(), loaded=True),
            "blip": ModelState(services.blip_name(), loaded=True),
        }
        fields = {"name": f"deaf-{len(names)}", "queues": ("interactive",), "device": "cpu"}
        heartbeat.publish(WorkerState(**{**fields, "dtype": "fp32", **loaded, **changes}))
        names.append(fields["name"])

    yield appear
    for name in names:
        heartbeat.withdraw(name)
    redis_client().delete("deaf")


@pytest.fixture
def picture() -> Image.Image:
    return Image.effect_noise((300, 200), 80).convert("RGB")


# --- With a worker --------------------------------------------------------------------------


def test_a_text_becomes_a_vector_of_unit_length(ready: None) -> None:
    vector = services.embed_text("a red boat")
    assert len(vector) == 512
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-4)


def test_a_text_is_computed_once_whatever_its_spacing(
    ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = services.embed_text("a  red boat ")
    monkeypatch.setattr(rpc, "call", lambda *_, **__: pytest.fail("called again"))
    assert services.embed_text("a red\nboat") == first


def test_an_image_is_described_by_its_vector_and_a_caption(
    ready: None, picture: Image.Image
) -> None:
    vector, caption = services.describe_image(picture)
    assert np.dot(vector, services.embed_image(picture)) == pytest.approx(1.0, abs=1e-4)
    assert caption == services.caption_and_label(picture, [])[0]


def test_predictions_come_best_first_and_sum_to_one(ready: None, picture: Image.Image) -> None:
    found = services.classify_image(picture, ["a boat", "a house", "a tree"])
    assert {prediction.label for prediction in found} == {"a boat", "a house", "a tree"}
    scores = [prediction.score for prediction in found]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1.0, abs=1e-4)


def test_a_picture_gets_its_caption_and_the_label_that_it_shows_in_one_call(
    ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, _, house = (draw_scene(scene) for scene in sample_scenes(3, VALIDATION_SEEDS))
    labels = [{"en": [f"a {thing}"]} for thing in ("boat", "house", "tree")]
    calls, call = [], rpc.call

    def record(task: RemoteTask, **arguments: Any) -> Any:
        calls.append(task)
        return call(task, **arguments)

    monkeypatch.setattr(rpc, "call", record)
    caption, label = services.caption_and_label(house, labels)
    assert "house" in caption
    assert label is not None
    assert label[0] == 1
    assert 0.5 < label[1] <= 1
    caption, label = services.caption_and_label(bus, labels)
    assert "bus" in caption
    assert label is None
    assert calls == [RemoteTask.CAPTION_AND_LABEL] * 2


def test_a_text_does_not_wait_for_pictures_that_came_before(
    ready: None, picture: Image.Image
) -> None:
    arguments = {"image": encode(picture), "labels": [], "model": services.clip_name()}
    for _ in range(32):
        send(RemoteTask.CAPTION_AND_LABEL, kwargs=arguments)
    services.embed_text("a text that is not in the cache")
    assert redis_client().llen(INTERACTIVE) > 0
    redis_client().delete(INTERACTIVE)


def test_a_text_whose_caller_has_given_up_is_not_computed(ready: None) -> None:
    call_id = str(uuid4())
    arguments = {"text": "too late", "model": services.clip_name()}
    send(RemoteTask.EMBED_TEXT, kwargs=arguments, task_id=call_id, expires=-1)
    services.embed_text("a text that came after it")
    assert not redis_client().exists(rpc.REPLY_KEY.format(call_id))


def test_a_refusal_of_a_task_comes_back_as_invalid_input(ready: None) -> None:
    with pytest.raises(InvalidInput, match="not a readable image"):
        rpc.call(RemoteTask.EMBED_IMAGE, image="bm90IGFuIGltYWdl", model=services.clip_name())


def test_a_task_that_breaks_is_answered_before_the_time_out(ready: None) -> None:
    with takes_seconds(0, 30), pytest.raises(Unavailable):
        rpc.call(RemoteTask.EMBED_TEXT, text=None, model=services.clip_name())


def test_many_threads_get_their_own_answers(ready: None) -> None:
    words = [f"thing number {index}" for index in range(12)]
    found: dict[str, list[float]] = {}

    def embed(word: str) -> None:
        found[word] = services.embed_text(word)

    threads = [threading.Thread(target=embed, args=(word,)) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.clear()
    for word in words:
        assert np.dot(found[word], services.embed_text(word)) == pytest.approx(1.0, abs=1e-4)


def test_callers_know_every_task_and_its_queue() -> None:
    app.loader.import_default_modules()  # as a worker does
    registered = {name: task for name, task in app.tasks.items() if name.startswith("ai.tasks.")}
    assert {task.value: task.queue for task in RemoteTask} == {
        name: task.queue for name, task in registered.items()
    }


# --- Without a worker -----------------------------------------------------------------------


def test_a_blank_text_is_refused() -> None:
    with pytest.raises(InvalidInput):
        services.embed_text(" \n ")


@pytest.mark.parametrize(
    "state",
    [
        {"queues": ("embed", "caption")},
        {"clip": ModelState("another/model", loaded=True)},
        {"clip": ModelState("local-dir/clip", loaded=False, error="no weights")},
    ],
    ids=["none serves calls", "none has the configured model", "none has weights"],
)
def test_without_a_suitable_worker_calls_are_refused_at_once(
    deaf_worker: Callable[..., None], state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "WORKERS_KEY", "test:workers")  # away from a running worker
    monkeypatch.setattr(heartbeat, "STATE_KEY", "test:worker:{}")
    deaf_worker(**state)
    with takes_seconds(0, PROMPT), pytest.raises(Unavailable):
        services.embed_text("a red boat")


def test_a_cached_text_needs_no_worker(
    deaf_worker: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "WORKERS_KEY", "test:workers")
    deaf_worker(name="reader")
    monkeypatch.setattr(rpc, "call", lambda *_, **__: _reply([1.0] + [0.0] * 511))
    vector = services.embed_text("a red boat")
    heartbeat.withdraw("reader")
    monkeypatch.setattr(rpc, "call", lambda *_, **__: pytest.fail("called again"))
    assert services.embed_text("a red boat") == vector


def test_an_unreachable_cache_is_a_miss(
    deaf_worker: Callable[..., None],
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = {"LOCATION": f"unix://{tmp_path}/nobody.sock"}
    settings.CACHES = {"default": settings.CACHES["default"] | nowhere}
    deaf_worker()
    monkeypatch.setattr(rpc, "call", lambda *_, **__: _reply([1.0] + [0.0] * 511))
    assert services.embed_text("a blue boat") == [1.0] + [0.0] * 511


def test_vectors_of_two_models_are_never_mixed(
    deaf_worker: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf_worker()
    reply = {"model": "another/model", "vector": [1.0] + [0.0] * 511}
    monkeypatch.setattr(rpc, "call", lambda *_, **__: reply)
    with pytest.raises(Unavailable):
        services.embed_text("a red boat")


def test_a_worker_that_never_replies_costs_the_time_out(
    deaf_worker: Callable[..., None], servers: Path, settings: Any, deaf_queue: None
) -> None:
    settings.AI_TIMEOUT = 0.5
    deaf_worker()
    with takes_seconds(0.4, 0.5 + PROMPT), pytest.raises(Unavailable):
        services.embed_text("a red boat")


@pytest.mark.django_db(transaction=True)
def test_a_waiting_caller_holds_no_database_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    open_while_waiting = []

    class Redis:
        """Counts no waiting calls and replies 1."""

        def llen(self, queue: str) -> int:
            return 0

        def blpop(self, keys: list[str], timeout: float) -> tuple[str, str]:
            open_while_waiting.append(connection.connection is not None)
            return keys[0], '{"value": 1}'

    monkeypatch.setattr(RemoteTask, "queue", "deaf")
    monkeypatch.setattr(rpc, "redis_client", Redis)
    connection.ensure_connection()
    assert rpc.call(RemoteTask.EMBED_TEXT, text="a red boat", model="a/model") == 1
    with transaction.atomic():
        rpc.call(RemoteTask.EMBED_TEXT, text="a red boat", model="a/model")
        assert connection.is_usable()
    assert open_while_waiting == [False, True]
    redis_client().delete("deaf")


def test_a_call_is_refused_at_once_if_too_many_are_waiting(
    deaf_worker: Callable[..., None], settings: Any, deaf_queue: None
) -> None:
    settings.AI_QUEUE_LIMIT = 3
    deaf_worker()
    redis_client().rpush("deaf", "a", "b", "c")
    with takes_seconds(0, PROMPT), pytest.raises(Unavailable, match="too much to do"):
        services.embed_text("a red boat")


@pytest.fixture
def deaf_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """All calls go to a queue that no worker of this test run consumes."""
    monkeypatch.setattr(RemoteTask, "queue", "deaf")


def test_a_stopped_worker_is_forgotten(deaf_worker: Callable[..., None]) -> None:
    deaf_worker(name="gone")
    assert "gone" in {worker.name for worker in services.worker_states()}
    heartbeat.withdraw("gone")
    assert "gone" not in {worker.name for worker in services.worker_states()}


def test_a_killed_worker_is_forgotten_when_its_state_expires(
    deaf_worker: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "TTL", 1)
    deaf_worker(name="killed")
    time.sleep(1.5)
    assert "killed" not in {worker.name for worker in services.worker_states()}


@pytest.mark.usefixtures("redis_away")
def test_without_redis_calls_are_refused_at_once() -> None:
    with takes_seconds(0, PROMPT), pytest.raises(Unavailable):
        services.embed_text("a red boat")


def test_a_hanging_redis_is_unavailable_before_the_time_out(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with takes_seconds(0, 2 + PROMPT), pytest.raises(Unavailable):
            services.embed_text("a red boat")


def send(task: RemoteTask, **options: Any) -> None:
    app.send_task(task.value, queue=task.queue, **options)


def _reply(vector: list[float]) -> dict[str, Any]:
    return {"model": services.clip_name(), "vector": vector}
