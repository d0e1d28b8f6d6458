"""JPEG files. Source: ITU-T T.81 annex B; JFIF 1.02; ICC.1 annex B.4."""

import re
import struct
from collections.abc import Iterator

from media.icc import reduce_profile

# A scan goes on over stuffed zeros and restart markers.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a segment; meaningless outside of a scan
_JFIF, _ICC, _ADOBE = 0xE0, 0xE2, 0xEE
_END, _SCAN, _LINES = 0xD9, 0xDA, 0xDC
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PICTURE = {*_FRAMES, 0xC4, 0xCC, _SCAN, 0xDB, _LINES, 0xDD}  # with Huffman and other tables
_REFUSED = {0xC8, 0xD8, 0xDE, 0xDF, *range(0x02, 0xC0)}  # decoders do not know them either
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_MAX_MARKERS = 5000  # photographs have some dozens
_ICC_HEAD = b"ICC_PROFILE\0"
_MAX_ICC_PART = 65_533 - len(_ICC_HEAD) - 2


def strip_jpeg(data: bytes) -> bytes:
    parts: list[bytes] = []
    jfif, adobe, profile = b"", b"", _Profile()
    components: set[int] = set()  # that have been scanned
    is_progressive = False
    for marker, payload, pixels in _read_segments(data):
        if marker == _JFIF and payload[:5] == b"JFIF\0" and len(payload) >= 12:
            jfif = jfif or _segment(_JFIF, payload[:12] + b"\0\0")  # without a thumbnail
        elif marker == _ADOBE and payload[:5] == b"Adobe" and len(payload) >= 12:
            adobe = _segment(_ADOBE, b"Adobe\0\x64\0\0\0\0" + payload[11:12])
        elif marker == _ICC:
            profile.add(payload)
        elif marker == _SCAN:
            scanned = set(payload[1 : 1 + 2 * payload[0] : 2])
            if is_progressive or not scanned <= components:
                parts += [_segment(_SCAN, payload), pixels]
            components |= scanned
        elif marker in _PICTURE:
            is_progressive = is_progressive or marker in _PROGRESSIVE
            parts.append(_segment(marker, payload[:2] if marker == _LINES else payload))
    return b"".join([data[:2], jfif, *profile.segments(), adobe, *parts, b"\xff\xd9"])


def _read_segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield marker, payload, and compressed pixels behind it, up to the end of the picture.

    Bytes between segments are skipped, as decoders do. Raises ValueError.
    """
    at = 2
    for _ in range(_MAX_MARKERS):
        match = _MARKER.search(data, at)
        if match is None:
            raise ValueError("The JPEG has no end")
        marker, at = data[match.start() + 1], match.end()
        if marker == _END:
            return
        if marker in _REFUSED:
            raise ValueError("The JPEG has an unknown marker")
        if marker in _ALONE:
            continue
        start, at = at + 2, at + struct.unpack_from(">H", data, at)[0]
        if not start <= at <= len(data):
            raise ValueError("A JPEG segment has an impossible size")
        payload, pixels = data[start:at], b""
        if marker == _SCAN:
            end = _find_end_of_scan(data, at)
            pixels, at = data[at:end].rstrip(b"\xff"), end
        yield marker, payload, pixels
    raise ValueError("The JPEG has too many markers")


def _find_end_of_scan(data: bytes, at: int) -> int:
    match = _END_OF_SCAN.search(data, at)
    if match is None:
        raise ValueError("The JPEG has no end")
    return match.start()


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


class _Profile:
    """The parts of an ICC profile, which can come in any order."""

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}
        self._count = 0
        self._is_broken = False

    def add(self, payload: bytes) -> None:
        """Add a segment, which may hold something else than a profile."""
        head = len(_ICC_HEAD)
        if payload[:head] != _ICC_HEAD or len(payload) < head + 2:
            return
        number, self._count = payload[head : head + 2]
        self._is_broken = self._is_broken or number in self._parts
        self._parts[number] = payload[head + 2 :]

    def segments(self) -> list[bytes]:
        """Return the segments of the reduced profile; none if it is broken."""
        if self._is_broken or sorted(self._parts) != list(range(1, self._count + 1)):
            return []
        profile = reduce_profile(b"".join(self._parts[n + 1] for n in range(self._count)))
        if profile is None:
            return []
        starts = range(0, len(profile), _MAX_ICC_PART)
        return [
            _segment(_ICC, _ICC_HEAD + bytes([n, len(starts)]) + profile[at : at + _MAX_ICC_PART])
            for n, at in enumerate(starts, 1)
        ]
