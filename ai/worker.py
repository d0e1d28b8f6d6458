"""The life of an AI worker: one engine per process, loaded early, its state published.

Importing this loads no torch: the web process imports the tasks, which import this. Run AI
workers with `--pool solo`: torch has its own threads, and CUDA does not survive a fork.
"""

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from celery import signals
from django.db import DatabaseError, connection
from redis import RedisError

from ai import heartbeat, model_ids, vector_space
from ai.errors import ModelUnavailable
from ai.heartbeat import ModelState, WorkerState
from ai.text_consumer import TextQueueConsumer
from ai.vector_space import Space
from smimso.queues import BACKFILL, CAPTION, EMBED, INTERACTIVE, TEXT

if TYPE_CHECKING:
    from ai.engine import Engine

logger = logging.getLogger(__name__)

MODELS_BY_QUEUE = {
    TEXT: ("clip",),
    INTERACTIVE: ("clip", "blip"),
    EMBED: ("clip",),
    BACKFILL: ("clip",),
    CAPTION: ("blip", "clip"),  # CLIP for the category
}
RETRY_INTERVAL = 15.0  # between two looks for weights that are missing
WATCH_INTERVAL = 3.0  # between two looks whether the collection moves to another model
STARTUP_TIMEOUT = 120.0  # seconds that a starting worker waits for its models before it takes work

_engine: "Engine | None" = None  # of the space that is searched
_others: dict[str, "Engine"] = {}  # of spaces kept beside it
_engine_lock = threading.Lock()


def get_engine(model: str | None = None) -> "Engine":
    """This process's engine for the vector space `model`, or for the one that is searched.

    Made on first use; call it in a worker or a command only. Raises ModelUnavailable for a space
    in which the collection has no vectors.
    """
    with _engine_lock:
        if _engine is None or model not in (None, _engine.clip_name, *_others):
            _sync_engines(_known_spaces())
        current: Any = _engine
        found = current if model in (None, current.clip_name) else _others.get(str(model))
    if found is None:
        raise ModelUnavailable(f"{model}: the collection has no vectors of this model")
    return found


def get_engines() -> list["Engine"]:
    """Those of all spaces that images have vectors in, the searched one first; one query."""
    with _engine_lock:
        _sync_engines(_known_spaces())
        current: Any = _engine
        return [current, *_others.values()]


def _warn_if_settings_differ(active: Space) -> None:
    """One line in the log when the settings ask for another model than the collection has."""
    configured = vector_space.configured_space().name
    if _engine is None and active.name != configured:
        logger.warning(
            "The collection's vectors are of %s, the settings name %s. Searches go on with the "
            "former; `manage.py change_model` moves the collection to another model.",
            active.name,
            configured,
        )


def _known_spaces() -> list[Space]:
    """What the database says; empty when it can't be reached."""
    try:
        return vector_space.all_spaces()
    except DatabaseError as error:
        logger.debug("The database can't be reached: %s", error)
        return []


def _sync_engines(wanted: list[Space]) -> None:
    """Engines for these spaces, the searched one first; those of other spaces are let go."""
    global _engine
    if not wanted and _engine is not None:
        return
    wanted = wanted or [vector_space.configured_space()]
    _warn_if_settings_differ(wanted[0])
    known = {**_others, **({_engine.clip_name: _engine} if _engine else {})}
    blip = _engine.blip if _engine else None
    for space in wanted:
        if space.name not in known:
            known[space.name] = _new_engine(space, blip)
            blip = known[space.name].blip
    _engine = known[wanted[0].name]
    _others.clear()
    _others.update({space.name: known[space.name] for space in wanted[1:]})


def _new_engine(space: Space, blip: Any) -> "Engine":
    from ai.engine import Engine

    configured, has_vectors = vector_space.configured_space(), space.since is not None
    if space.name == configured.name:
        space = configured  # a directory may have moved since the row was written
    return Engine.from_settings(
        clip_model=space.model,
        clip_pretrained=space.pretrained,
        name=space.name if has_vectors else "",
        blip=blip,
    )


class ModelLoader:
    """Loads the models that the worker's queues need, and publishes the worker's state."""

    def __init__(self, name: str, queues: set[str]) -> None:
        self.name = name
        self.queues = tuple(sorted(queues))
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._first_attempt = threading.Event()
        self._reported: set[str] = set()  # reasons in the log: once, not at every attempt
        self._failures: dict[str, str] = {}  # name of a model: why it could not be loaded

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
        try:
            current = get_engine()
        except Exception as error:  # `_load` has it in the log
            return self._state_without_engine(_reason(error))
        with _engine_lock:
            others = list(_others.values())
        return WorkerState(
            name=self.name,
            queues=self.queues,
            device=current.device,
            dtype=_dtype(current, current.blip if current.blip.loaded else current.clip),
            clip=self._model_state(current.clip_name, current.clip),
            blip=self._model_state(current.blip_name, current.blip),
            others=tuple(self._model_state(other.clip_name, other.clip) for other in others),
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

    def _model_state(self, name: str, model: Any) -> ModelState:
        error = str(model.error) if model.error else self._failures.get(name)
        return ModelState(name=name, loaded=model.loaded, error=None if model.loaded else error)

    def _load(self) -> None:
        """Loads what is missing; then looks whether the collection moves to another model."""
        kinds = {kind for queue in self.queues for kind in MODELS_BY_QUEUE.get(queue, ())}
        while not self._stopped.is_set():
            complete = self._load_missing(kinds)
            self._first_attempt.set()
            self._stopped.wait(WATCH_INTERVAL if complete else RETRY_INTERVAL)

    def _load_missing(self, kinds: set[str]) -> bool:
        """Whether all that is needed is loaded now."""
        try:
            needed = self._needed(kinds)
        except Exception as error:  # settings that no engine can be made of
            self._report(error)
            return False
        missing = [m for name, m in needed if not m.loaded and not self._loaded(name, m)]
        return not missing

    def _needed(self, kinds: set[str]) -> list[tuple[str, Any]]:
        """Names and models: CLIP first, for search needs it; then those of spaces beside."""
        before = get_engine().clip_name
        current, *others = get_engines()
        connection.close()  # of this thread
        if others or current.clip_name != before:
            self._changed.set()
        needed: list[tuple[str, Any]] = []
        if "clip" in kinds:
            needed.append((current.clip_name, current.clip))
        needed += [(current.blip_name, current.blip)] if "blip" in kinds else []
        return needed + [(o.clip_name, o.clip) for o in others if "clip" in kinds]

    def _loaded(self, name: str, model: Any) -> bool:
        """One attempt. Whatever is wrong, this thread lives on to try again."""
        try:
            model.get()
        except Exception as error:  # without memory, or what no loader foresaw
            self._failures[name] = _reason(error)
            self._report(error)
            return False
        finally:
            self._changed.set()
        logger.info("%s is loaded (%s)", name, _dtype(get_engine(), model))
        return True

    def _report(self, error: Exception) -> None:
        reason = _reason(error)
        if reason not in self._reported:
            self._reported.add(reason)
            foreseen = isinstance(error, ModelUnavailable)
            logger.warning("Images stay pending. %s", reason, exc_info=not foreseen)

    def _publish(self) -> None:
        while not self._stopped.is_set():
            try:
                heartbeat.publish(self.state())
            except RedisError as error:
                logger.debug("The state is not published: %s", error)
            except Exception:  # web would take a worker without a state for dead
                logger.exception("The state is not published")
            self._changed.wait(heartbeat.INTERVAL)
            self._changed.clear()


def _dtype(current: "Engine", model: Any) -> str:
    """What a loaded model really computes with: int8 may have fallen back to bf16."""
    return getattr(model.get(), "dtype_name", current.dtype) if model.loaded else current.dtype


def _reason(error: Exception) -> str:
    foreseen = isinstance(error, ModelUnavailable)
    return str(error) if foreseen else f"{type(error).__name__}: {error}"


# --- Celery's signals ------------------------------------------------------------------------
_parent: dict[str, Any] = {}  # name, queues and process id of the worker, before any fork
_loader: ModelLoader | None = None
_text_consumer: TextQueueConsumer | None = None


@signals.worker_init.connect  # the last one before the solo pool says that its process is there
def _remember_worker(sender: Any, **_: Any) -> None:
    queues = set(sender.app.amqp.queues.consume_from)
    if INTERACTIVE in queues:
        queues.add(TEXT)
    _parent.update(name=sender.hostname, queues=queues, pid=os.getpid(), app=sender.app)


@signals.worker_process_init.connect
def _start_threads(**_: Any) -> None:
    """In the process that computes: the worker itself (solo pool) or a forked child."""
    global _keeper, _texts
    if MODELS_BY_QUEUE.keys().isdisjoint(_parent.get("queues", ())):
        return
    forked = os.getpid() != _parent["pid"]
    name = f"{_parent['name']}:{os.getpid()}"
    _loader = ModelLoader(name, _parent["queues"])
    # Celery kills a forked child that is not ready within four seconds.
    _loader.start(wait=0 if forked else STARTUP_TIMEOUT)
    if TEXT in _parent["queues"]:
        _text_consumer = TextQueueConsumer(_parent["app"])
        _text_consumer.start()


@signals.worker_shutdown.connect
@signals.worker_process_shutdown.connect
def _stop_threads(**_: Any) -> None:
    if _loader is not None and _loader.name.endswith(f":{os.getpid()}"):
        _loader.stop()
        if _text_consumer is not None:
            _text_consumer.stop()
