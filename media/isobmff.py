"""The boxes of ISO base media files (ISO/IEC 14496-12): HEIC, AVIF, MP4, MOV, M4A, 3GP."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

MAX_BOXES = 20_000  # in one box; films have a few hundred


class Box(NamedTuple):
    """A box at `start`, whose contents are at `body` up to `end`, offsets in the file."""

    type: bytes
    start: int
    body: int
    end: int


def read_boxes(data: bytes | bytearray, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two offsets. Raises ValueError if one of them is malformed.

    Zeros at the end are padding, as QuickTime writes it.
    """
    for _ in range(MAX_BOXES):
        if not any(data[start : min(start + 8, end)]) and not any(data[start:end]):
            return
        if end - start < 8:
            raise ValueError("A box ends early")
        size, box_type = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            size = int.from_bytes(data[body : body + 8], "big")
            body += 8
        box_end = start + size if size else end
        if not body <= box_end <= end:
            raise ValueError("A box reaches past its parent")
        yield Box(bytes(box_type), start, body, box_end)
        start = box_end
    raise ValueError("There are too many boxes")


def read_file(data: bytes) -> tuple[list[Box], int]:
    """Return the boxes of a file, and where they end: phones append data of their own."""
    boxes: list[Box] = []
    try:
        for box in read_boxes(data, 0, len(data)):
            boxes.append(box)
    except ValueError:
        return boxes, boxes[-1].end if boxes else 0
    return boxes, len(data)


def find_box(data: bytes | bytearray, path: tuple[bytes, ...], start: int, end: int) -> Box | None:
    """Return the first box at a path of types. Raises ValueError."""
    for box in read_boxes(data, start, end):
        if box.type == path[0]:
            body = box.body + 4 if box.type == b"meta" else box.body  # version and flags
            return box if len(path) == 1 else find_box(data, path[1:], body, box.end)
    return None
