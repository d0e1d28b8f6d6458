"""The choice of the device and of the dtype that the models compute in."""

from pathlib import Path

import torch

# "int8" is bf16 with 8-bit products in BLIP's vision tower (`ai.engine.acceleration.int8`).
DTYPES = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int8": torch.bfloat16,
}
# Without one of these, bf16 on a CPU is emulated and slower than fp32.
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
_INT8_FLAGS = {"avx512_vnni"}  # products of bytes and signed bytes, added in 32 bits
CPUINFO = Path("/proc/cpuinfo")


def choose_device(requested: str) -> torch.device:
    """Return the device for "auto", "cpu" or "cuda"; ValueError if CUDA is requested but absent."""
    if requested == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if requested == "cuda" and not torch.cuda.is_available():
        raise ValueError("SMIMSO_AI_DEVICE is cuda, but torch finds no CUDA device here")
    return torch.device(requested)


def choose_dtype(requested: str, device: torch.device) -> str:
    """Return a key of DTYPES. "auto": fp16 on CUDA; int8, bf16 or fp32 on a CPU, by its flags.

    Raises ValueError for an unknown dtype, and for int8 if the device can't compute it fast.
    """
    if requested not in {"auto", *DTYPES}:
        raise ValueError(f"SMIMSO_AI_DTYPE is {requested!r}, not auto or one of {list(DTYPES)}")
    if requested == "int8" and not (device.type == "cpu" and cpu_has_int8()):
        raise ValueError("SMIMSO_AI_DTYPE is int8, which needs a CPU with AVX-512 VNNI and BF16")
    if requested != "auto":
        return requested
    if device.type == "cuda":
        return "fp16"
    if not _cpu_has(_BF16_FLAGS):
        return "fp32"
    return "int8" if cpu_has_int8() else "bf16"


def cpu_has_int8() -> bool:
    return _cpu_has(_INT8_FLAGS) and _cpu_has(_BF16_FLAGS)


def _cpu_has(any_of: set[str]) -> bool:
    """Return whether the processor has at least one of these flags."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:  # not Linux
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not any_of.isdisjoint(flags.split())
