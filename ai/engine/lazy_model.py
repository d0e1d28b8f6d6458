"""A model that is loaded once, on first use; failed attempts are repeated after a pause only."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ai.errors import ModelUnavailable

Model = TypeVar("Model")
MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 15.0, 60.0  # between two attempts to load


class LazyModel(Generic[Model]):
    """Thread-safe: while one caller loads the model, others wait for it."""

    def __init__(self, load: Callable[[], Model]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._model: Model | None = None
        self._pause = 0.0  # seconds after the latest failure
        self._retry_at = 0.0  # time.monotonic()
        self.error: ModelUnavailable | None = None

    @property
    def loaded(self) -> bool:
        return self._model is not None

    def get(self) -> Model:
        """Return the model. Raises ModelUnavailable, immediately if an attempt just failed."""
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
            self._pause = min(max(2 * self._pause, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)
            self._retry_at = time.monotonic() + self._pause
            raise
        self.error = None
        return model
