"""The limits of a picture, and the refusal of one that is beyond them or unreadable.

Nothing of this imports Django, because the processes that decode know nothing of the site.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MEGABYTE = 1024 * 1024
# Of one decoding process, above what it takes when idle. Measured: a photo of 12 megapixels takes
# 60, 64 megapixels of any format less than 700.
MAX_DECODE_MEMORY = 768 * MEGABYTE
MAX_DECODE_CPU_SECONDS = 10
MAX_DECODE_SECONDS = 60  # by the clock, for a process that got stuck or a machine that is busy


class RefusedImage(Exception):
    """A picture that is not accepted. code, params: those of smimso.errors."""

    def __init__(self, code: str = "image_unreadable", **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params: dict[str, Any] = params

    def __reduce__(self) -> tuple[object, ...]:
        return _refuse, (self.code, self.params)


def _refuse(code: str, params: dict[str, object]) -> RefusedImage:
    return RefusedImage(code, **params)


@dataclass(frozen=True)
class Limits:
    """max_pixels: of the picture as it is in the file. widths: of the renditions, by name."""

    max_pixels: int
    widths: Mapping[str, int]
