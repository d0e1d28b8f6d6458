"""An AI worker loads its models early, publishes its state and waits for missing weights."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ai import heartbeat, model_ids, worker
from ai.engine import Engine
from ai.engine.clip import load_clip
from ai.engine.lazy_model import LazyModel
from ai.engine_registry import EngineRegistry
from ai.errors import ModelUnavailable
from tests.ai.conftest import save_clip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),  # read by other threads, too
]


@pytest.fixture
def missing(
    make_engine: Callable[..., Engine],
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The directory, not existing yet, in which this process's engine looks for CLIP."""
    monkeypatch.setattr("ai.engine.lazy_model.MIN_RETRY_SECONDS", 0.1)
    settings.AI_CLIP_MODEL = str(tmp_path / "later")
    engine = make_engine(clip_model=str(tmp_path / "later"))
    monkeypatch.setattr(worker, "registry", EngineRegistry(engine))
    return tmp_path / "later"


def test_the_web_process_never_loads_torch() -> None:
    program = (
        "import sys, smimso.asgi, django.urls, ai.services, ai.tasks, ai.calibration;"
        "django.urls.get_resolver().url_patterns;"
        "print(sorted({'torch', 'torchvision', 'open_clip', 'transformers'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_a_worker_starts_by_itself_once_the_weights_are_there(
    servers: Path,
    missing: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(worker, "RETRY_INTERVAL", 0.1)
    loader = worker.ModelLoader("test-late", {"embed"})
    with caplog.at_level(logging.INFO, logger="ai.worker"):
        loader.start(wait=10)
        try:
            _wait_until(lambda: _state("test-late") is not None)
            assert not _state("test-late").clip.loaded
            assert str(missing) in _state("test-late").clip.error
            time.sleep(0.5)  # a few more attempts
            save_clip(missing)
            _wait_until(lambda: _state("test-late").clip.loaded)
        finally:
            loader.stop()
    assert _state("test-late") is None
    lines = [r.getMessage() for r in caplog.records if r.name == "ai.worker"]
    assert len(lines) == 2, lines
    assert lines[0].startswith("Images stay pending.")
    assert lines[1].startswith(f"{model_ids.clip_name()} is loaded")


@pytest.mark.parametrize("error", [MemoryError("no memory"), OSError(5, "Input/output error")])
def test_any_failure_to_load_is_logged_once_and_retried(
    servers: Path,
    missing: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    monkeypatch.setattr(worker, "RETRY_INTERVAL", 0.1)
    save_clip(missing)
    failing = threading.Event()
    failing.set()

    def load(*args: Any, **options: Any) -> Any:
        if failing.is_set():
            raise error
        return load_clip(*args, **options)

    monkeypatch.setattr("ai.engine.engine.load_clip", load)
    loader = worker.ModelLoader("test-broken", {"embed"})
    loader.start(wait=10)
    try:
        _wait_until(lambda: _state("test-broken") and _state("test-broken").clip.error)
        assert _state("test-broken").clip.error == f"{type(error).__name__}: {error}"
        time.sleep(0.5)  # a few more attempts
        failing.clear()
        _wait_until(lambda: _state("test-broken").clip.loaded)
        assert _state("test-broken").clip.error is None
    finally:
        loader.stop()
    warnings = [r for r in caplog.records if r.getMessage().startswith("Images stay pending.")]
    assert [r.getMessage() for r in warnings] == [
        f"Images stay pending. {type(error).__name__}: {error}"
    ]
    assert warnings[0].exc_info


def test_settings_that_allow_no_engine_are_reported(
    servers: Path,
    missing: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(worker, "RETRY_INTERVAL", 0.1)
    monkeypatch.setattr(worker, "registry", EngineRegistry())
    save_clip(missing)
    settings.AI_DTYPE = "fp8"
    loader = worker.ModelLoader("test-settings", {"embed"})
    loader.start(wait=10)
    try:
        _wait_until(lambda: _state("test-settings") is not None)
        state = _state("test-settings")
        assert "SMIMSO_AI_DTYPE is 'fp8'" in state.clip.error
        assert state.blip.error == state.clip.error
        assert (state.clip.name, state.device, state.dtype) == (model_ids.clip_name(), "", "")
        assert "SMIMSO_AI_DTYPE is 'fp8'" in caplog.text
        settings.AI_DTYPE = "fp32"
        _wait_until(lambda: _state("test-settings").clip.loaded)
    finally:
        loader.stop()


def test_the_state_is_published_again_after_redis_was_away(
    servers: Path,
    missing: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.05)
    save_clip(missing)
    loader, url = worker.ModelLoader("test-away", {"embed"}), settings.REDIS_URL
    loader.start(wait=30)
    try:
        _wait_until(lambda: _state("test-away") is not None)
        with caplog.at_level(logging.DEBUG, logger="ai.worker"):
            settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nothing listens there
            _wait_until(lambda: caplog.text.count("The state is not published") > 1)
        settings.REDIS_URL = url
        heartbeat.withdraw("test-away")
        _wait_until(lambda: _state("test-away") is not None)
    finally:
        settings.REDIS_URL = url
        loader.stop()


def test_a_state_that_fails_is_published_later(
    servers: Path,
    missing: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.05)
    save_clip(missing)
    loader = worker.ModelLoader("test-odd", {"embed"})
    state, failures = loader.state, iter([ZeroDivisionError(), MemoryError()])

    def fail_twice() -> heartbeat.WorkerState:
        if error := next(failures, None):
            raise error
        return state()

    monkeypatch.setattr(loader, "state", fail_twice)
    loader.start(wait=30)
    try:
        _wait_until(lambda: _state("test-odd") is not None)
    finally:
        loader.stop()
    logged = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert logged == [ZeroDivisionError, MemoryError]


def test_the_state_names_the_type_that_is_computed_in(
    missing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = worker.ModelLoader("test-dtype", {"caption"})
    monkeypatch.setattr(worker.get_engine(), "dtype", "int8")
    assert loader.state().dtype == "int8"  # of the settings, until the model is loaded
    fallback = LazyModel(lambda: SimpleNamespace(dtype_name="bf16"))
    fallback.get()
    monkeypatch.setattr(worker.get_engine(), "blip", fallback)
    assert loader.state().dtype == "bf16"


def test_a_worker_loads_only_what_its_queues_need(servers: Path, missing: Path) -> None:
    save_clip(missing)
    loader = worker.ModelLoader("test-embed", {"embed", "maintenance"})
    loader.start(wait=30)
    loader.stop()
    assert worker.get_engine().clip.loaded
    assert not worker.get_engine().blip.loaded


def test_captions_need_clip_for_the_category() -> None:
    assert worker.MODELS_BY_QUEUE["caption"] == ("blip", "clip")


def test_warm_models_prints_the_location_of_the_weights(missing: Path) -> None:
    save_clip(missing)
    out = StringIO()
    call_command("warm_models", stdout=out)
    assert f"{model_ids.clip_name()}: {missing}" in out.getvalue()


def test_warm_models_fails_with_the_reason(missing: Path) -> None:
    with pytest.raises(CommandError, match="warm_models") as caught:
        call_command("warm_models")
    assert str(missing) in str(caught.value)
    assert isinstance(caught.value.__cause__, ModelUnavailable)


def _state(name: str) -> heartbeat.WorkerState | None:
    return next((state for state in heartbeat.live_workers() if state.name == name), None)


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
