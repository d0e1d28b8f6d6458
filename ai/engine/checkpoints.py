"""Weights from a file into a network without a second copy of all of them in memory."""

import ctypes
import gc
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import safe_open

SUFFIX = ".safetensors"


def read_tensors(path: Path, dtype: torch.dtype, prefix: str = "") -> dict[str, torch.Tensor]:
    """The file's tensors, floating ones as `dtype`. Raises OSError or SafetensorError.

    prefix: only those whose names begin with it, by what follows it.

    The file is mapped anew for each tensor: the pages of one mapping stay in memory until its end,
    which would be a second copy, in float32.
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
    found = {}
    for name in names:
        with safe_open(path, "pt") as file:
            found[name.removeprefix(prefix)] = copy_as(file.get_tensor(name), dtype)
    return found


def copy_as(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A copy of its own, as `dtype` if it is floating and more than one number (a scale)."""
    converted = tensor.is_floating_point() and tensor.numel() > 1
    return tensor.to(dtype if converted else tensor.dtype, copy=True)


def find_weights_file(directory: Path, names: Sequence[str]) -> Path:
    """The first of `names` that the directory has; FileNotFoundError when it has none."""
    for name in names:
        if (directory / name).is_file():
            return directory / name
    raise FileNotFoundError(f"{directory} has no {' or '.join(names)}")


def trim_memory() -> None:
    """What loading used and freed, back to the system: glibc would keep it for later.

    Collects first: modules of transformers refer to each other in circles.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)
