"""Batches that shrink when memory runs out, and the transfer of their pixels to the device."""

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

BACKOFF_SECONDS = 600.0  # during which a smaller size is used


class AdaptiveBatch:
    """Up to `max_size` items at once; fewer for a while after memory ran out."""

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
        """Return the results of `compute` for consecutive slices of `items`, in order.

        If memory runs out, a slice is halved and tried again. If a single item does not fit, raises
        the device's error.
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

    def _halve(self, failed_size: int) -> None:
        self._size = max(1, failed_size // 2)
        self._until = time.monotonic() + BACKOFF_SECONDS
        logger.warning("Out of memory with a batch of %d: using %d", failed_size, self._size)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out; torch's CPU allocator raises a bare RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "not enough memory" in str(error) or "can't allocate memory" in str(error)
    )


class DeviceTransfer:
    """Moves images of one size to the device as uint8 [n, height, width, 3].

    On CUDA through pinned memory and a separate stream: the copy overlaps with computation, while
    the CPU prepares the next batch.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, images: Sequence[Image.Image]) -> torch.Tensor:
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
        if self._stream is None:
            return pixels
        with torch.cuda.stream(self._stream):
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        computing = torch.cuda.current_stream(self.device)
        computing.wait_stream(self._stream)
        pixels.record_stream(computing)  # the allocator must not reuse it before that
        return pixels
