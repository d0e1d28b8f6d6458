"""The files of a model that lies in a directory, and a fingerprint of what they hold."""

import json
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import BinaryIO

WEIGHTS = ["model.safetensors", "pytorch_model.bin"]
OPEN_CLIP_WEIGHTS = ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
SMALL_FILES = ["*.json", "*.txt", "*.model"]  # configuration and tokenizer
SAFE = ".safetensors"
BLOCK = 4096  # bytes
LENGTH = 8  # hexadecimal digits


def fingerprint(directory: Path) -> str:
    """The same for the same model, wherever it lies; empty where there are no weights.

    Weights are read in part, of each tensor its beginning, middle and end: training changes them
    all over. The web process asks, too, which should not wait for gigabytes.
    """
    try:
        weights = [directory / name for name in (*OPEN_CLIP_WEIGHTS, *WEIGHTS)]
        found = [path for path in weights if path.is_file()]
        small = {path for pattern in SMALL_FILES for path in directory.glob(pattern)}
        stats = [(path, path.stat()) for path in (*found, *sorted(small))]
        files = tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)
        return _fingerprint(files) if found else ""
    except (OSError, zipfile.BadZipFile):  # nothing that can be loaded
        return ""


@lru_cache(maxsize=8)
def _fingerprint(files: tuple[tuple[Path, int, int], ...]) -> str:
    """files: path, bytes and time of the last change, so that a change is seen."""
    digest = sha256()
    for path, size, _ in files:
        digest.update(f"{path.name} {size}\n".encode())
        for part in _parts(path, size):
            digest.update(part)
    return digest.hexdigest()[:LENGTH]


def _parts(path: Path, size: int) -> Iterator[bytes]:
    if path.suffix != SAFE and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:  # as torch saves: it has a checksum of each tensor
            yield from (f"{entry.filename} {entry.CRC}\n".encode() for entry in file.infolist())
        return
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")  # of the tensors, if it has any
        if path.suffix == SAFE and start <= size:
            header = file.read(start - 8)
            yield header
            yield from _samples(file, header, start)
        else:
            file.seek(0)
            yield file_digest(file, sha256).digest()


def _samples(file: BinaryIO, header: bytes, start: int) -> Iterator[bytes]:
    """Format: the length of the header in 8 bytes, the header (JSON), the tensors' bytes."""
    for begin, end in _offsets(header):
        for at in (begin, (begin + end - BLOCK) // 2, end - BLOCK):
            file.seek(start + max(begin, at))
            yield file.read(min(BLOCK, end - begin))


def _offsets(header: bytes) -> list[tuple[int, int]]:
    """None of a header that nobody could read: such a file is not loaded either."""
    try:
        tensors = json.loads(header)
        return [tensors[name]["data_offsets"] for name in tensors if name != "__metadata__"]
    except (ValueError, LookupError, TypeError):
        return []
