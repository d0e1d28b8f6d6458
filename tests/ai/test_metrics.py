"""What is measured of the AI, and what of it Prometheus is told."""

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
def _reads_the_workers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As web does: this process adds up what the others wrote."""
    monkeypatch.setattr(metrics, "_is_multiprocess", True)


@pytest.mark.usefixtures("_reads_the_workers")
def test_a_worker_tells_how_long_a_request_waited_and_took(worker: None) -> None:
    wait_for_models()
    before = metrics.render().decode()
    ai.embed_text("a question that nobody has asked before")
    after = metrics.render().decode()
    for sample in (
        'smimso_ai_queue_wait_seconds_count{queue="text"}',
        'smimso_ai_inference_seconds_count{model="clip",operation="embed_texts"}',
    ):
        assert value_of(after, sample) - value_of(before, sample) == 1, sample
    for queue in ("text", "interactive"):
        assert value_of(after, f'smimso_ai_workers{{model="clip",queue="{queue}"}}') == 1
    assert value_of(after, "smimso_redis_up") == 1


def test_queues_are_counted_where_they_are(servers: Path, db: None) -> None:
    redis_client().delete("maintenance")
    redis_client().rpush("maintenance", "a", "b")
    try:
        text = metrics.render().decode()
        assert value_of(text, 'smimso_queue_depth{queue="maintenance"}') == 2
    finally:
        redis_client().delete("maintenance")


@pytest.mark.usefixtures("redis_away")
def test_a_dead_redis_is_shown_and_no_error() -> None:
    text = metrics.render().decode()
    assert value_of(text, "smimso_redis_up") == 0
    assert "smimso_redis_up 0.0" in text
    assert "smimso_queue_depth{" not in text


def test_histograms_are_summed_up_for_people() -> None:
    for size in (1, 1, 4, 16):
        ai_metrics.observe_batch("told", size)
    ai_metrics.observe_batch("huge", 1000)
    found = {s.labels: s for s in metrics.summarize({"smimso_ai_batch_size"})}
    assert (found[("told",)].count, found[("told",)].mean) == (4, 5.5)
    assert (found[("told",)].p95, found[("told",)].has_p95) == (16, True)
    assert not found[("huge",)].has_p95
