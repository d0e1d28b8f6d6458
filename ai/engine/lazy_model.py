"""A model that is loaded on first use, once, and asked for again only after a pause."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ai.errors import ModelUnavailable

Model = TypeVar("Model")
MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 15.0, 60.0  # seconds between two attempts to load


class LazyModel(Generic[Model]):
    """Safe for threads: a second caller waits for the first one's loading."""

    def __init__(self, load: Callable[[], Model]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._model: Model | None = None
        self._pause = MIN_RETRY_SECONDS
        self._retry_at = 0.0  # time.monotonic()
        self.error: ModelUnavailable | None = None

    @property
    def loaded(self) -> bool:
        return self._model is not None

    def get(self) -> Model:
        """The model. Raises ModelUnavailable; within the pause after a failure, at once."""
        if self._model is not None:
            return self._model
        with self._lock:
            if self._model is None:
                self._model = self._attempt()
            return self._model

    def _attempt(self) -> Model:
        if self.error is not None and time.monotonic() < self._retry_at:
            raise ModelUnavailable(str(self.error))
        try:
            model = self._load()
        except ModelUnavailable as error:
            self.error = error
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, MAX_RETRY_SECONDS)
            raise
        self.error = None
        return model
