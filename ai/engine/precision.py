"""On which device and with which numbers the models compute."""

from pathlib import Path

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Without one of these, bf16 on a CPU is emulated and slower than fp32.
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def choose_device(wanted: str) -> torch.device:
    """`wanted`: "auto", "cpu" or "cuda"; ValueError when CUDA is demanded and absent."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("SMIMSO_AI_DEVICE is cuda, but torch finds no CUDA device here")
    return torch.device(wanted)


def choose_dtype(wanted: str, device: torch.device) -> str:
    """A key of DTYPES. "auto": fp16 on CUDA, bf16 on CPUs that have it, else fp32."""
    if wanted != "auto":
        if wanted not in DTYPES:
            raise ValueError(f"SMIMSO_AI_DTYPE is {wanted!r}, not auto or one of {list(DTYPES)}")
        return wanted
    if device.type == "cuda":
        return "fp16"
    return "bf16" if _cpu_has_bf16() else "fp32"


def _cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:  # not Linux
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not _BF16_FLAGS.isdisjoint(flags.split())
