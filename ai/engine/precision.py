"""On which device and with which numbers the models compute."""

from pathlib import Path

import torch

# "int8" is bf16 with 8-bit products where `ai.engine.int8` finds them good enough.
DTYPES = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int8": torch.bfloat16,
}
# Without one of these, bf16 on a CPU is emulated and slower than fp32.
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
_INT8_FLAGS = {"avx512_vnni"}  # bytes times signed bytes, summed in 32 bits
CPUINFO = Path("/proc/cpuinfo")


def choose_device(wanted: str) -> torch.device:
    """`wanted`: "auto", "cpu" or "cuda"; ValueError when CUDA is demanded and absent."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("SMIMSO_AI_DEVICE is cuda, but torch finds no CUDA device here")
    return torch.device(wanted)


def choose_dtype(wanted: str, device: torch.device) -> str:
    """A key of DTYPES. "auto": fp16 on CUDA; int8 or else bf16 on CPUs that have it, else fp32.

    ValueError when it is none, or int8 where the device has no fast way to compute it.
    """
    if wanted not in {"auto", *DTYPES}:
        raise ValueError(f"SMIMSO_AI_DTYPE is {wanted!r}, not auto or one of {list(DTYPES)}")
    if wanted == "int8" and not (device.type == "cpu" and cpu_has_int8()):
        raise ValueError("SMIMSO_AI_DTYPE is int8, which needs a CPU with AVX-512 VNNI and BF16")
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "fp16"
    if not _cpu_has(_BF16_FLAGS):
        return "fp32"
    return "int8" if cpu_has_int8() else "bf16"


def cpu_has_int8() -> bool:
    return _cpu_has(_INT8_FLAGS) and _cpu_has(_BF16_FLAGS)


def _cpu_has(wanted: set[str]) -> bool:
    """Whether the processor has one of these flags."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:  # not Linux
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not wanted.isdisjoint(flags.split())
