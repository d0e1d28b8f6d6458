"""The engines of one process. Importing this module loads no torch."""

import logging
import threading
from typing import TYPE_CHECKING

from django.db import DatabaseError

from ai import vector_space
from ai.errors import ModelUnavailable
from ai.vector_space import Space

if TYPE_CHECKING:
    from ai.engine import Engine
    from ai.engine.blip import Blip
    from ai.engine.lazy_model import LazyModel

logger = logging.getLogger(__name__)


class EngineRegistry:
    """One engine for each space that the collection has vectors in, created on first use.

    All share one captioning model. Safe for threads.
    """

    def __init__(self, active: "Engine | None" = None) -> None:
        self._active = active  # of the searched space
        self._secondary: dict[str, Engine] = {}  # of further spaces, by name
        self._lock = threading.Lock()

    def get(self, model: str | None = None) -> "Engine":
        """Return the engine for the vector space `model`, or for the searched one.

        Raises ModelUnavailable for a space that the collection has no vectors in.
        """
        with self._lock:
            active = self._active
            if active is None or model not in (None, active.clip_name, *self._secondary):
                active = self._sync()
            engine = active if model in (None, active.clip_name) else self._secondary.get(model)
        if engine is None:
            raise ModelUnavailable(f"{model}: the collection has no vectors of this model")
        return engine

    def all(self) -> list["Engine"]:
        """Return the engines of all spaces, the searched one first. Costs one query."""
        with self._lock:
            return [self._sync(), *self._secondary.values()]

    def secondary(self) -> list["Engine"]:
        """Return the engines of further spaces that are known so far, without a query."""
        with self._lock:
            return list(self._secondary.values())

    def _sync(self) -> "Engine":
        """Create missing engines and drop those of other spaces; return the searched one.

        If the database is unreachable, keep the engines, or start with the configured one.
        """
        try:
            spaces = vector_space.all_spaces()
        except DatabaseError as error:
            logger.debug("The database is unreachable: %s", error)
            if self._active is not None:
                return self._active
            spaces = [vector_space.configured_space()]
        if self._active is None:
            _warn_if_settings_differ(spaces[0])
        engines, blip = dict(self._secondary), None
        if self._active is not None:
            engines[self._active.clip_name], blip = self._active, self._active.blip
        for space in spaces:
            if space.name not in engines:
                engines[space.name] = _create_engine(space, blip)
                blip = engines[space.name].blip
        self._active = engines[spaces[0].name]
        self._secondary = {space.name: engines[space.name] for space in spaces[1:]}
        return self._active


def _warn_if_settings_differ(active: Space) -> None:
    configured = vector_space.configured_space().name
    if active.name != configured:
        logger.warning(
            "The collection's vectors are of %s, but the settings name %s. Search continues with "
            "the former; `manage.py change_model` moves the collection to another model.",
            active.name,
            configured,
        )


def _create_engine(space: Space, blip: "LazyModel[Blip] | None") -> "Engine":
    from ai.engine import Engine

    configured, has_vectors = vector_space.configured_space(), space.since is not None
    if space.name == configured.name:
        space = configured  # its directory may have moved since the row was written
    return Engine.from_settings(
        clip_model=space.model,
        clip_pretrained=space.pretrained,
        name=space.name if has_vectors else "",
        blip=blip,
    )
