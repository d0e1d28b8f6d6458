"""Reading weights into a network without a second copy of all of them in memory."""

import ctypes
import gc
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import safe_open

SUFFIX = ".safetensors"


def read_tensors(path: Path, dtype: torch.dtype, prefix: str = "") -> dict[str, torch.Tensor]:
    """Return the file's tensors by name, floating ones converted to `dtype`.

    prefix: only tensors whose names start with it; it is removed from their names. Raises OSError
    or SafetensorError. The file is mapped once per tensor, because the pages of a mapping stay in
    memory until it is closed, which would be a second copy, in float32.
    """
    if path.suffix != SUFFIX:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return {
            name.removeprefix(prefix): copy_as(value, dtype)
            for name, value in state.items()
            if name.startswith(prefix)
        }
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
    tensors = {}
    for name in names:
        with safe_open(path, "pt") as file:
            tensors[name.removeprefix(prefix)] = copy_as(file.get_tensor(name), dtype)
    return tensors


def copy_as(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return a copy, converted to `dtype` unless it is an integer or a single number (a scale)."""
    is_converted = tensor.is_floating_point() and tensor.numel() > 1
    return tensor.to(dtype if is_converted else tensor.dtype, copy=True)


def find_weights_file(directory: Path, names: Sequence[str]) -> Path:
    """Return the first of the files `names` in the directory. Raises FileNotFoundError."""
    for name in names:
        if (directory / name).is_file():
            return directory / name
    raise FileNotFoundError(f"{directory} has no {' or '.join(names)}")


def trim_memory() -> None:
    """Return freed memory to the system; glibc would retain it.

    Runs the garbage collector first, because modules of transformers have reference cycles.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)
