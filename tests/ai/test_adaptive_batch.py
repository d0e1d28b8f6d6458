"""Adaptive batches: in order, and smaller for a while after memory ran out.

No GPU is needed: the device's error is raised by the computation that a test passes in.
"""

from collections.abc import Sequence

import pytest
import torch

from ai.engine import adaptive_batch
from ai.engine.adaptive_batch import AdaptiveBatch

pytestmark = pytest.mark.slow


class Device:
    """Computes up to `room` items at once, and raises a device's error for more."""

    def __init__(self, room: int, error: Exception | None = None) -> None:
        self.room, self.tried = room, []  # type: ignore[var-annotated]
        self.error = error or torch.OutOfMemoryError("CUDA out of memory.")

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.tried.append(len(items))
        if len(items) > self.room:
            raise self.error
        return [10 * item for item in items]


def flat(results: list[list[int]]) -> list[int]:
    return [item for result in results for item in result]


def test_slices_are_computed_in_order() -> None:
    device = Device(room=99)
    assert flat(AdaptiveBatch(4).run(range(10), device)) == [10 * n for n in range(10)]
    assert device.tried == [4, 4, 2]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to …"),
        MemoryError(),
    ],
)
def test_out_of_memory_halves_the_batch_and_nothing_is_lost(error: Exception) -> None:
    device = Device(room=3, error=error)
    assert flat(AdaptiveBatch(16).run(range(20), device)) == [10 * n for n in range(20)]
    assert device.tried == [16, 8, 4, *[2] * 10]


def test_the_smaller_size_is_used_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(adaptive_batch.time, "monotonic", lambda: now)
    size, device = AdaptiveBatch(8), Device(room=4)
    size.run(range(8), device)
    size.run(range(8), device)
    assert device.tried == [8, 4, 4, 4, 4]
    now += adaptive_batch.BACKOFF_SECONDS + 1
    device.room = 8  # another process freed its memory
    size.run(range(8), device)
    assert device.tried[5:] == [8]


def test_one_item_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        AdaptiveBatch(8).run(range(8), Device(room=0))


def test_any_other_error_is_not_tried_again() -> None:
    device = Device(room=2, error=RuntimeError("a kernel failed"))
    with pytest.raises(RuntimeError, match="a kernel failed"):
        AdaptiveBatch(8).run(range(8), device)
    assert device.tried == [8]
