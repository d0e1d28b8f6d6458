"""The life of an AI worker: one engine per process, loaded early, its state published.

Importing this loads no torch: the web process imports the tasks, which import this. Run AI
workers with `--pool solo`: torch has its own threads, and CUDA does not survive a fork.
"""

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from celery import signals
from redis import RedisError

from ai import heartbeat
from ai.errors import ModelUnavailable
from ai.heartbeat import ModelState, WorkerState

if TYPE_CHECKING:
    from ai.engine import Engine

logger = logging.getLogger(__name__)

MODELS_OF_QUEUE = {
    "interactive": ("clip", "blip"),
    "embed": ("clip",),
    "caption": ("blip", "clip"),  # CLIP for the category
}
RETRY_SECONDS = 15.0  # between two looks for weights that are missing
START_PATIENCE = 120.0  # seconds that a starting worker waits for its models before it takes work

_engine: "Engine | None" = None
_engine_lock = threading.Lock()


def engine() -> "Engine":
    """This process's engine, made on first use; call it in a worker or a command only."""
    global _engine
    with _engine_lock:
        if _engine is None:
            from ai.engine import Engine

            _engine = Engine.from_settings()
        return _engine


class Keeper:
    """Loads the models that the worker's queues need, and publishes the worker's state."""

    def __init__(self, name: str, queues: set[str]) -> None:
        self.name = name
        self.queues = tuple(sorted(queues))
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._first_attempt = threading.Event()

    def start(self, *, wait: float) -> None:
        """Start both threads; return after the first attempt to load, or `wait` seconds."""
        for target in (self._load, self._publish):
            threading.Thread(target=target, name=f"ai-{target.__name__}", daemon=True).start()
        self._first_attempt.wait(wait)

    def stop(self) -> None:
        self._stopped.set()
        self._changed.set()
        try:
            heartbeat.withdraw(self.name)
        except RedisError as error:
            logger.debug("The state stays until it expires: %s", error)

    def state(self) -> WorkerState:
        current = engine()
        return WorkerState(
            name=self.name,
            queues=self.queues,
            device=current.device,
            dtype=current.dtype,
            clip=_model_state(current.clip_name, current.clip),
            blip=_model_state(current.blip_name, current.blip),
        )

    def _load(self) -> None:
        kinds = {kind for queue in self.queues for kind in MODELS_OF_QUEUE.get(queue, ())}
        missing = sorted(kinds, key=["clip", "blip"].index)  # CLIP first: search needs it
        reported: set[str] = set()
        try:
            while missing and not self._stopped.is_set():
                missing = [kind for kind in missing if not self._loaded(kind, reported)]
                self._first_attempt.set()
                self._stopped.wait(RETRY_SECONDS if missing else 0)
        finally:
            self._first_attempt.set()

    def _loaded(self, kind: str, reported: set[str]) -> bool:
        """One attempt; a reason is logged once, not at every attempt."""
        model = getattr(engine(), kind)
        try:
            model.get()
        except ModelUnavailable as error:
            if str(error) not in reported:
                reported.add(str(error))
                logger.warning("Images stay pending. %s", error)
            return False
        finally:
            self._changed.set()
        logger.info("%s is loaded (%s)", getattr(engine(), f"{kind}_name"), engine().dtype)
        return True

    def _publish(self) -> None:
        while not self._stopped.is_set():
            try:
                heartbeat.publish(self.state())
            except RedisError as error:
                logger.debug("The state is not published: %s", error)
            self._changed.wait(heartbeat.INTERVAL)
            self._changed.clear()


def _model_state(name: str, model: Any) -> ModelState:
    error = str(model.error) if model.error else None
    return ModelState(name=name, loaded=model.loaded, error=error)


# --- Celery's signals ------------------------------------------------------------------------
_parent: dict[str, Any] = {}  # name, queues and process id of the worker, before any fork
_keeper: Keeper | None = None


@signals.worker_init.connect  # the last one before the solo pool says that its process is there
def _remember_worker(sender: Any, **_: Any) -> None:
    queues = set(sender.app.amqp.queues.consume_from)
    _parent.update(name=sender.hostname, queues=queues, pid=os.getpid())


@signals.worker_process_init.connect
def _start_keeper(**_: Any) -> None:
    """In the process that computes: the worker itself (solo pool) or a forked child."""
    global _keeper
    if MODELS_OF_QUEUE.keys().isdisjoint(_parent.get("queues", ())):
        return
    forked = os.getpid() != _parent["pid"]
    name = f"{_parent['name']}:{os.getpid()}"
    _keeper = Keeper(name, _parent["queues"])
    # Celery kills a forked child that is not ready within four seconds.
    _keeper.start(wait=0 if forked else START_PATIENCE)


@signals.worker_shutdown.connect
@signals.worker_process_shutdown.connect
def _stop_keeper(**_: Any) -> None:
    if _keeper is not None and _keeper.name.endswith(f":{os.getpid()}"):
        _keeper.stop()
