"""The limits of a process that decodes files from outside, and how it runs a task."""

import logging
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PIL import Image

from media.decoding import decode_to_fit
from media.limits import MAX_DECODE_CPU_SECONDS, MAX_DECODE_MEMORY, Limits, RefusedImage

logger = logging.getLogger(__name__)

T = TypeVar("T")


def limit_process() -> None:
    """Limit the memory of this process to what it has now and MAX_DECODE_MEMORY."""
    warnings.simplefilter("ignore")  # Pillow warns of anomalies, which are no faults of this site
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # others count the address space, which is no measure of use
        status = Path("/proc/self/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmData:")]
        limit = int(line.split()[1]) * 1024 + MAX_DECODE_MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def run_limited(function: Callable[..., T], *arguments: object) -> T:
    """Call the function within MAX_DECODE_CPU_SECONDS; beyond them, the system ends the process.

    Raises RefusedImage, also for unexpected errors, which the file has caused.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + MAX_DECODE_CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    try:
        return function(*arguments)
    except RefusedImage:
        raise
    except MemoryError as error:
        raise RefusedImage("image_too_complex") from error
    except Exception as error:
        logger.exception("A file could not be decoded")
        raise RefusedImage from error


def decode_pixels(data: bytes, limits: Limits, side: int) -> tuple[tuple[int, int], bytes]:
    """Return the size and the RGB bytes of a picture; see `media.decoding.decode_to_fit`."""
    image = decode_to_fit(data, limits.max_pixels, side)
    return image.size, image.tobytes()


def restore_pixels(size: tuple[int, int], pixels: bytes) -> Image.Image:
    return Image.frombytes("RGB", size, pixels)
