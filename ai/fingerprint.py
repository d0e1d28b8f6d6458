"""Fingerprints of model directories."""

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
SAFETENSORS_SUFFIX = ".safetensors"
SAMPLE_BYTES = 4096
DIGEST_LENGTH = 8  # hexadecimal digits


def fingerprint(directory: Path) -> str:
    """Return 8 hexadecimal digits that identify the model, or "" if there are no weights.

    Independent of the location. Weights are sampled at the beginning, middle and end of each
    tensor: training changes them everywhere, and the web process, which calls this too, should
    not wait for gigabytes.
    """
    try:
        candidates = [directory / name for name in (*OPEN_CLIP_WEIGHTS, *WEIGHTS)]
        weights = [path for path in candidates if path.is_file()]
        small = {path for pattern in SMALL_FILES for path in directory.glob(pattern)}
        stats = [(path, path.stat()) for path in (*weights, *sorted(small))]
        files = tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)
        return _fingerprint(files) if weights else ""
    except (OSError, zipfile.BadZipFile):  # nothing that could be loaded
        return ""


@lru_cache(maxsize=8)
def _fingerprint(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Hash files. files: path, bytes and modification time, so that changes miss the cache."""
    digest = sha256()
    for path, size, _ in files:
        digest.update(f"{path.name} {size}\n".encode())
        for part in _read_parts(path, size):
            digest.update(part)
    return digest.hexdigest()[:DIGEST_LENGTH]


def _read_parts(path: Path, size: int) -> Iterator[bytes]:
    if path.suffix != SAFETENSORS_SUFFIX and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:  # torch's format has a checksum of each tensor
            yield from (f"{entry.filename} {entry.CRC}\n".encode() for entry in file.infolist())
        return
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")  # of the tensors, if it has any
        if path.suffix == SAFETENSORS_SUFFIX and start <= size:
            header = file.read(start - 8)
            yield header
            yield from _read_samples(file, header, start)
        else:
            file.seek(0)
            yield file_digest(file, sha256).digest()


def _read_samples(file: BinaryIO, header: bytes, start: int) -> Iterator[bytes]:
    """Read samples of each tensor of a safetensors file.

    Format: the length of the header in 8 bytes, the header (JSON), the tensors' bytes.
    """
    for begin, end in _tensor_offsets(header):
        for at in (begin, (begin + end - SAMPLE_BYTES) // 2, end - SAMPLE_BYTES):
            file.seek(start + max(begin, at))
            yield file.read(min(SAMPLE_BYTES, end - begin))


def _tensor_offsets(header: bytes) -> list[tuple[int, int]]:
    """Return nothing for an unreadable header: such a file cannot be loaded either."""
    try:
        tensors = json.loads(header)
        return [tensors[name]["data_offsets"] for name in tensors if name != "__metadata__"]
    except (ValueError, LookupError, TypeError):
        return []
