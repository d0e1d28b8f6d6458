"""Metrics of the AI and their exposition for Prometheus."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai import metrics as ai_metrics
from ai import services as ai
from smimso import metrics
from smimso.redis import redis_client
from tests.ai.test_services import wait_for_models
from tests.smimso.test_metrics import value_of


@pytest.fixture
def _multiprocess(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process aggregate the metrics of all processes, as web does."""
    monkeypatch.setattr(metrics, "is_multiprocess", True)


@pytest.mark.usefixtures("_multiprocess")
def test_a_worker_measures_the_wait_and_the_inference_of_a_request(worker: None) -> None:
    wait_for_models()
    before = metrics.render().decode()
    ai.embed_text("a text that is not in the cache")
    after = metrics.render().decode()
    for sample in (
        'smimso_ai_queue_wait_seconds_count{queue="text"}',
        'smimso_ai_inference_seconds_count{model="clip",operation="embed_texts"}',
    ):
        assert value_of(after, sample) - value_of(before, sample) == 1, sample
    for queue in ("text", "interactive"):
        assert value_of(after, f'smimso_ai_workers{{model="clip",queue="{queue}"}}') == 1
    assert value_of(after, "smimso_redis_up") == 1


def test_queue_depths_are_read_from_redis(
    servers: Path, db: None, broker_at: Callable[[str], None], settings: Any
) -> None:
    broker_at(settings.REDIS_URL.replace("db=0", "db=6"))  # no worker of other tests empties it
    redis_client().delete("maintenance")
    redis_client().rpush("maintenance", "a", "b")
    try:
        text = metrics.render().decode()
        assert value_of(text, 'smimso_queue_depth{queue="maintenance"}') == 2
    finally:
        redis_client().delete("maintenance")


@pytest.mark.usefixtures("redis_away")
def test_a_dead_redis_is_reported_without_an_error() -> None:
    text = metrics.render().decode()
    assert value_of(text, "smimso_redis_up") == 0
    assert "smimso_redis_up 0.0" in text
    assert "smimso_queue_depth{" not in text


def test_histograms_are_summarized() -> None:
    for size in (1, 1, 4, 16):
        ai_metrics.observe_batch("small", size)
    ai_metrics.observe_batch("huge", 1000)
    found = {s.labels: s for s in metrics.summarize({"smimso_ai_batch_size"})}
    assert (found[("small",)].count, found[("small",)].mean) == (4, 5.5)
    assert (found[("small",)].p95, found[("small",)].has_p95) == (16, True)
    assert not found[("huge",)].has_p95
