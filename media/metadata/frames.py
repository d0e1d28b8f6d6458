"""Audio that is a row of frames: MP3, AAC (ADTS) and AMR.

Sources: ISO/IEC 11172-3 and 13818-7, RFC 4867, ID3v2.4. All other bytes become zeros: ID3, APE and
other tags.
"""

import re
from collections.abc import Callable

_AMR_HEAD = re.compile(rb"#!AMR(?:-WB)?\n")
_AMR_SIZES = (12, 13, 15, 17, 19, 20, 26, 31, 5, 6, 5, 5, 0, 0, 0, 0)  # bytes by mode
_AMR_WIDE_SIZES = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0)
_SYNC = re.compile(rb"\xff[\xe0-\xff]")
_MAX_LOST = 50_000  # positions that look like a frame and are none
_MAX_TAGS = 20
_MIN_CHAIN = 3  # frames that prove each other; texts can look like a single one
_BIT_RATES = {  # kbit/s by layer for MPEG 1, and for its later versions
    (1, True): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (2, True): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, True): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (1, False): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, False): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (3, False): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = (44_100, 48_000, 32_000)  # of MPEG 1; those of MPEG 2 and 2.5 are 1/2 and 1/4
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}  # by the bits of the version
_ID3_HEAD, _ID3_VERSION, _OLD_ID3_SIZE = 10, 5, 128  # bytes; flags follow the version

# Returns the size of the frame at a position, in bytes, and what all frames of a file share.
_ReadHead = Callable[[bytes, int], tuple[int, object]]


def strip_mp3(data: bytes) -> bytes:
    return _keep_frames(data, _read_mp3_head)


def strip_aac(data: bytes) -> bytes:
    return _keep_frames(data, _read_aac_head)


def strip_amr(data: bytes) -> bytes:
    head = _AMR_HEAD.match(data)
    if head is None:
        raise ValueError("The AMR file has no head")
    sizes = _AMR_WIDE_SIZES if b"WB" in head[0] else _AMR_SIZES
    at = head.end()
    while at < len(data) and not data[at] & 0x83:
        at += 1 + sizes[data[at] >> 3 & 0xF]
    return data[:at]


def _keep_frames(data: bytes, read_head: _ReadHead) -> bytes:
    out = bytearray(len(data))
    start = at = _skip_id3(data)
    if start:  # a tag without contents stays
        out[:_ID3_HEAD] = data[:_ID3_VERSION] + b"\0" + data[_ID3_VERSION + 1 : _ID3_HEAD]
    end = len(data) - _OLD_ID3_SIZE if data[-_OLD_ID3_SIZE:].startswith(b"TAG") else len(data)
    has_frames, lost = False, 0
    while (match := _SYNC.search(data, at, end)) is not None:
        at = match.start()
        chain_end, count = _follow_frames(data, at, end, read_head)
        if count >= _MIN_CHAIN or (count and at == start):
            out[at:chain_end] = data[at:chain_end]
            at, has_frames = chain_end, True
        else:
            at, lost = at + 1, lost + 1
        if lost > _MAX_LOST:
            raise ValueError("The file has too much else than frames")
    if not has_frames and any(data[start:]):
        raise ValueError("The file has no frames")
    return bytes(out)


def _follow_frames(data: bytes, at: int, end: int, read_head: _ReadHead) -> tuple[int, int]:
    """Return the end and the number of the frames that follow each other from a position on."""
    size, shared = read_head(data, at)
    count, current = 0, shared
    while size and current == shared:
        at, count = at + size, count + 1
        size, current = read_head(data, at) if at < end else (0, None)
    return min(at, end), count


def _read_mp3_head(data: bytes, at: int) -> tuple[int, object]:
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] < 0xE0:
        return 0, None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    bit_rate, sample_rate, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or layer == 4 or bit_rate in (0, 15) or sample_rate == 3:
        return 0, None
    is_first = version == 3
    kbits = _BIT_RATES[layer, is_first][bit_rate - 1]
    rate = _SAMPLE_RATES[sample_rate] // _RATE_DIVISORS[version]
    if layer == 1:
        return (12_000 * kbits // rate + padding) * 4, (version, layer, rate)
    factor = 144_000 if layer == 2 or is_first else 72_000
    return factor * kbits // rate + padding, (version, layer, rate)


def _read_aac_head(data: bytes, at: int) -> tuple[int, object]:
    if at + 7 > len(data) or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return 0, None
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return (size if size >= 7 else 0), (data[at + 1], data[at + 2] & 0xFC)


def _skip_id3(data: bytes) -> int:
    """Return where the tags before the frames end."""
    at = 0
    for _ in range(_MAX_TAGS):
        if data[at : at + 3] != b"ID3" or at + _ID3_HEAD > len(data):
            break
        has_footer = bool(data[at + 5] & 0x10)
        high, upper, lower, low = data[at + 6 : at + 10]
        at += _ID3_HEAD * (1 + has_footer) + (high << 21 | upper << 14 | lower << 7 | low)
    return min(at, len(data))
