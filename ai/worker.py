"""The life of an AI worker: one engine per process, loaded early, its state published.

Importing this module loads no torch, as web processes import the tasks, which import this. Run AI
workers with `--pool solo`: torch has its own threads, and CUDA does not survive a fork.
"""

import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celery import Celery, signals
from django.db import connection
from redis import RedisError

from ai import heartbeat, model_ids, vector_space
from ai.engine_registry import EngineRegistry
from ai.errors import ModelUnavailable
from ai.heartbeat import ModelState, WorkerState
from ai.text_consumer import TextQueueConsumer
from smimso.queues import BACKFILL, CAPTION, EMBED, INTERACTIVE, TEXT

if TYPE_CHECKING:
    from ai.engine import Engine
    from ai.engine.blip import Blip
    from ai.engine.clip import Clip
    from ai.engine.lazy_model import LazyModel

    Model = LazyModel[Blip] | LazyModel[Clip]

logger = logging.getLogger(__name__)

MODELS_BY_QUEUE = {
    TEXT: ("clip",),
    INTERACTIVE: ("clip", "blip"),
    EMBED: ("clip",),
    BACKFILL: ("clip",),
    CAPTION: ("blip", "clip"),  # CLIP for the category
}
RETRY_INTERVAL = 15.0  # seconds between two attempts to load missing weights
WATCH_INTERVAL = 3.0  # seconds between two checks whether the collection changes its model
STARTUP_TIMEOUT = 120.0  # seconds that a starting worker waits for its models before taking work

registry = EngineRegistry()


def get_engine(model: str | None = None) -> "Engine":
    """Return this process's engine for a vector space; see `EngineRegistry.get`.

    To be called in workers and commands only.
    """
    return registry.get(model)


def get_engines() -> list["Engine"]:
    """Return this process's engines of all spaces, the searched one first; one query."""
    return registry.all()


class ModelLoader:
    """Loads the models that the worker's queues need, and publishes the worker's state."""

    def __init__(self, name: str, queues: set[str]) -> None:
        self.name = name
        self.queues = tuple(sorted(queues))
        self._models = {model for queue in queues for model in MODELS_BY_QUEUE.get(queue, ())}
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._first_attempt = threading.Event()
        self._logged: set[str] = set()  # failures: once, not at every attempt
        self._failures: dict[str, str] = {}  # reasons by name of the model

    def start(self, *, wait: float) -> None:
        """Start both threads; return after the first attempt to load, or `wait` seconds."""
        for name, target in (("ai-load", self._keep_loading), ("ai-state", self._keep_publishing)):
            threading.Thread(target=target, name=name, daemon=True).start()
        self._first_attempt.wait(wait)

    def stop(self) -> None:
        self._stopped.set()
        self._changed.set()
        try:
            heartbeat.withdraw(self.name)
        except RedisError as error:
            logger.debug("The state remains until it expires: %s", error)

    def state(self) -> WorkerState:
        try:
            engine = get_engine()
        except Exception as error:  # logged by the loading thread
            return self._state_without_engine(_describe(error))
        return WorkerState(
            name=self.name,
            queues=self.queues,
            device=engine.device,
            dtype=_actual_dtype(engine, engine.blip if engine.blip.loaded else engine.clip),
            clip=self._model_state(engine.clip_name, engine.clip),
            blip=self._model_state(engine.blip_name, engine.blip),
            others=tuple(
                self._model_state(each.clip_name, each.clip) for each in registry.secondary()
            ),
        )

    def _state_without_engine(self, reason: str) -> WorkerState:
        return WorkerState(
            name=self.name,
            queues=self.queues,
            device="",
            dtype="",
            clip=ModelState(vector_space.configured_space().name, loaded=False, error=reason),
            blip=ModelState(model_ids.blip_name(), loaded=False, error=reason),
        )

    def _model_state(self, name: str, model: "Model") -> ModelState:
        error = str(model.error) if model.error else self._failures.get(name)
        return ModelState(name=name, loaded=model.loaded, error=None if model.loaded else error)

    def _keep_loading(self) -> None:
        """Load what is missing, then watch whether the collection changes its model."""
        while not self._stopped.is_set():
            is_complete = self._load_missing()
            self._first_attempt.set()
            self._stopped.wait(WATCH_INTERVAL if is_complete else RETRY_INTERVAL)

    def _load_missing(self) -> bool:
        """Return True if all required models are loaded now."""
        try:
            required = self._required_models()
        except Exception as error:  # the settings allow no engine
            self._log_once(error)
            return False
        missing = [
            name for name, model in required if not model.loaded and not self._try_load(name, model)
        ]
        return not missing

    def _required_models(self) -> list[tuple[str, "Model"]]:
        """Return names and models in the order of loading: search needs CLIP first."""
        previous = get_engine().clip_name
        engine, *secondary = get_engines()
        connection.close()  # this thread's
        if secondary or engine.clip_name != previous:
            self._changed.set()
        clips: list[tuple[str, Model]] = []
        if "clip" in self._models:
            clips = [(each.clip_name, each.clip) for each in (engine, *secondary)]
        blip = [(engine.blip_name, engine.blip)] if "blip" in self._models else []
        return [*clips[:1], *blip, *clips[1:]]

    def _try_load(self, name: str, model: "Model") -> bool:
        try:
            model.get()
        except Exception as error:  # out of memory, for example: this thread must survive
            self._failures[name] = _describe(error)
            self._log_once(error)
            return False
        finally:
            self._changed.set()
        logger.info("%s is loaded (%s)", name, _actual_dtype(get_engine(), model))
        return True

    def _log_once(self, error: Exception) -> None:
        reason = _describe(error)
        if reason not in self._logged:
            self._logged.add(reason)
            is_expected = isinstance(error, ModelUnavailable)
            logger.warning("Images stay pending. %s", reason, exc_info=not is_expected)

    def _keep_publishing(self) -> None:
        while not self._stopped.is_set():
            try:
                heartbeat.publish(self.state())
            except RedisError as error:
                logger.debug("The state is not published: %s", error)
            except Exception:  # without a state, web would consider the worker dead
                logger.exception("The state is not published")
            self._changed.wait(heartbeat.INTERVAL)
            self._changed.clear()


def _actual_dtype(engine: "Engine", model: "Model") -> str:
    """Return the type that a loaded model computes in: int8 may have fallen back to bf16."""
    return getattr(model.get(), "dtype_name", engine.dtype) if model.loaded else engine.dtype


def _describe(error: Exception) -> str:
    is_expected = isinstance(error, ModelUnavailable)
    return str(error) if is_expected else f"{type(error).__name__}: {error}"


# --- Celery's signals ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Parent:
    """The worker as it was started, before any fork."""

    app: Celery
    name: str
    queues: set[str]
    pid: int


_parent: _Parent | None = None
_loader: ModelLoader | None = None
_text_consumer: TextQueueConsumer | None = None


@signals.worker_init.connect  # the last signal before the solo pool sends worker_process_init
def _remember_worker(sender: Any, **_: object) -> None:
    global _parent
    queues = set(sender.app.amqp.queues.consume_from)
    if INTERACTIVE in queues:
        queues.add(TEXT)
    _parent = _Parent(sender.app, sender.hostname, queues, os.getpid())


@signals.worker_process_init.connect
def _start_threads(**_: object) -> None:
    """Start the threads in the process that computes: the worker (solo pool) or a forked child."""
    global _loader, _text_consumer
    if _parent is None or MODELS_BY_QUEUE.keys().isdisjoint(_parent.queues):
        return
    _loader = ModelLoader(f"{_parent.name}:{os.getpid()}", _parent.queues)
    # Celery kills a forked child that is not ready within four seconds.
    _loader.start(wait=0 if os.getpid() != _parent.pid else STARTUP_TIMEOUT)
    if TEXT in _parent.queues:
        _text_consumer = TextQueueConsumer(_parent.app)
        _text_consumer.start()


@signals.worker_shutdown.connect
@signals.worker_process_shutdown.connect
def _stop_threads(**_: object) -> None:
    if _loader is not None and _loader.name.endswith(f":{os.getpid()}"):
        _loader.stop()
        if _text_consumer is not None:
            _text_consumer.stop()
