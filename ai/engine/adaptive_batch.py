"""Batches that shrink when memory runs out, and the way of their pixels to the device."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

BACKOFF_SECONDS = 600.0  # seconds for which a smaller size is kept


class AdaptiveBatch:
    """At most `max_size` items at once, fewer for a while after memory ran out."""

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._size = max_size
        self._until = 0.0  # time.monotonic()

    @property
    def size(self) -> int:
        if self._size < self.max_size and time.monotonic() >= self._until:
            self._size = self.max_size
        return min(self._size, self.max_size)

    def run(
        self, items: Sequence[Item], compute: Callable[[Sequence[Item]], Result]
    ) -> list[Result]:
        """`compute` over consecutive slices of `items`, in order.

        Out of memory, a slice is halved and tried again; a single item that still does not fit
        raises what the device raised.
        """
        results: list[Result] = []
        start = 0
        while start < len(items):
            chunk = items[start : start + self.size]
            try:
                results.append(compute(chunk))
            except (RuntimeError, MemoryError) as error:
                if len(chunk) == 1 or not is_out_of_memory(error):
                    raise
                self._halve(len(chunk))
            else:
                start += len(chunk)
                continue
            if torch.cuda.is_available():  # after `except`, whose traceback holds the tensors
                torch.cuda.empty_cache()
        return results

    def _halve(self, tried: int) -> None:
        self._size = max(1, tried // 2)
        self._until = time.monotonic() + BACKOFF_SECONDS
        logger.warning("Out of memory with %d at once: now at most %d", tried, self._size)


def is_out_of_memory(error: Exception) -> bool:
    """On CUDA it has a class of its own; torch's CPU allocator raises a bare RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "not enough memory" in str(error) or "can't allocate memory" in str(error)
    )


class DeviceTransfer:
    """Pictures of one size → uint8 [n, height, width, 3] on the device.

    On CUDA through pinned memory and a stream of its own: the copy runs beside what the device
    computes, while the CPU prepares the next batch.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
        if self._stream is None:
            return pixels
        with torch.cuda.stream(self._stream):
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        computing = torch.cuda.current_stream(self.device)
        computing.wait_stream(self._stream)
        pixels.record_stream(computing)  # the allocator must not reuse it before that
        return pixels
