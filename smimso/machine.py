"""The processor cores and the memory that this process may use."""

import os
from pathlib import Path


def available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """Return bytes of memory: the machine's, or the container's limit if that is lower."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    path = Path("/sys/fs/cgroup/memory.max")
    limit = path.read_text().strip() if path.exists() else "max"
    return memory if limit == "max" else min(memory, int(limit))
