"""ICC profiles: reduced to what colors need, and built from chromaticities and a curve.

Source: ICC.1:2022. Profiles of members can name their owner, device and software; `reduce_profile`
writes a new profile from the few tags that convert the pixels of a file.
"""

import math
import struct
from collections.abc import Callable, Sequence

import numpy as np

MAX_PROFILE_BYTES = 4 * 1024 * 1024  # those of printing presses take up to 3 MB
COLOR_SPACES = (b"RGB ", b"GRAY", b"CMYK", b"Lab ")
_CLASSES = (b"scnr", b"mntr", b"prtr", b"spac")  # of device links and named colors files have none
_MAX_TAGS = 100
_HEADER_SIZE = 128  # bytes
_D50 = (0.9642, 1.0, 0.8249)  # XYZ, the white of every profile
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def color_space(profile: bytes) -> bytes:
    """Return the color space of the pixels, one of COLOR_SPACES if the profile is usable."""
    return profile[16:20]


def reduce_profile(profile: bytes) -> bytes | None:
    """Return a new profile with the same colors and nothing else; None if it is malformed."""
    is_usable = (
        _HEADER_SIZE < len(profile) <= MAX_PROFILE_BYTES
        and profile[36:40] == b"acsp"
        and profile[12:16] in _CLASSES
        and color_space(profile) in COLOR_SPACES
        and profile[20:24] in (b"XYZ ", b"Lab ")
    )
    if not is_usable:
        return None
    try:
        return _write_profile(profile[8:24], _read_tags(profile))
    except (struct.error, IndexError, ValueError):
        return None


def build_profile(chromaticities: Sequence[float], curve: np.ndarray) -> bytes:
    """Return a profile of an RGB color space.

    chromaticities: x and y of white, red, green and blue. curve: linear light 0..1 by code value,
    the same for each channel. Raises ValueError for impossible chromaticities.
    """
    points = np.reshape(np.asarray(chromaticities, dtype=float), (4, 2))
    if not np.all((points > 0) & (points < 1)):
        raise ValueError("A chromaticity is outside of 0..1")
    white, *primaries = [np.array([x / y, 1, (1 - x - y) / y]) for x, y in points]
    matrix = np.transpose(primaries)
    try:
        matrix = matrix * np.linalg.solve(matrix, white)
    except np.linalg.LinAlgError as error:
        raise ValueError("The primaries are on a line") from error
    cones = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    red, green, blue = (np.linalg.solve(_BRADFORD, cones[:, None] * _BRADFORD) @ matrix).T
    entries = np.round(np.clip(curve, 0, 1) * 65_535).astype(">u2")
    tags = {b"wtpt": _xyz(_D50), b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    trc = b"curv\0\0\0\0" + struct.pack(">I", len(entries)) + entries.tobytes()
    tags |= {b"rTRC": trc, b"gTRC": trc, b"bTRC": trc}
    return _write_profile(b"\x02\x40\0\0mntrRGB XYZ ", tags)


def _xyz(values: Sequence[float]) -> bytes:
    try:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65_536 * float(v)) for v in values))
    except (struct.error, OverflowError) as error:
        raise ValueError("A color is out of range") from error


def _read_tags(profile: bytes) -> dict[bytes, bytes]:
    """Return the contents of the known tags, each cut to the size that its type has."""
    count = struct.unpack_from(">I", profile, _HEADER_SIZE)[0]
    if count > _MAX_TAGS:
        raise ValueError("The profile has too many tags")
    tags = {}
    for number in range(count):
        name, at, size = struct.unpack_from(">4sII", profile, _HEADER_SIZE + 4 + 12 * number)
        content = profile[at : at + size]
        if name in _TAGS:
            if content[:4] not in _TAGS[name]:
                raise ValueError("A tag of the profile has an unknown type")
            tags[name] = _REDUCE[content[:4]](content)
    return tags


def _write_profile(header: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return a profile. header: version, class, color space and connection space, 16 bytes."""
    tags = {**tags, **_names(header[0])}
    offsets: dict[bytes, int] = {}  # equal contents are stored once
    table, body = struct.pack(">I", len(tags)), b""
    start = _HEADER_SIZE + 4 + 12 * len(tags)
    for name, content in sorted(tags.items()):
        if content not in offsets:
            offsets[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, offsets[content], len(content))
    head = struct.pack(">I4x", start + len(body)) + header + bytes(12) + b"acsp" + bytes(28)
    head += _xyz(_D50)[8:]
    return head.ljust(_HEADER_SIZE, b"\0") + table + body


def _names(major_version: int) -> dict[bytes, bytes]:
    """Return the texts that a valid profile must have, the same ones for all profiles."""
    text = b"Color"
    if major_version < 4:
        description = b"desc" + struct.pack(">4xI", len(text) + 1) + text + bytes(1 + 78)
        return {b"desc": description, b"cprt": b"text\0\0\0\0-\0"}
    wide = text.decode().encode("utf-16-be")
    unicode = b"mluc" + struct.pack(">4xII4sII", 1, 12, b"enUS", len(wide), 28) + wide
    return {b"desc": unicode, b"cprt": unicode}


def _cut(content: bytes, size: int) -> bytes:
    return content[:4] + bytes(4) + _slice(content, 8, size - 8)


def _slice(content: bytes, at: int, size: int) -> bytes:
    if at + size > len(content):
        raise ValueError("A tag of the profile ends early")
    return content[at : at + size]


def _reduce_curve(content: bytes) -> bytes:
    return _cut(content, 12 + 2 * struct.unpack_from(">I", content, 8)[0])


def _reduce_parametric(content: bytes) -> bytes:
    function = struct.unpack_from(">H", content, 8)[0]
    return _cut(content, 12 + 4 * (1, 3, 4, 5, 7)[function])


def _reduce_lut8(content: bytes) -> bytes:
    inputs, outputs, grid = content[8:11]
    return _cut(content, 48 + 256 * inputs + grid**inputs * outputs + 256 * outputs)


def _reduce_lut16(content: bytes) -> bytes:
    inputs, outputs, grid = content[8:11]
    entries, out_entries = struct.unpack_from(">HH", content, 48)
    values = entries * inputs + grid**inputs * outputs + out_entries * outputs
    return _cut(content, 52 + 2 * values)


def _reduce_stages(content: bytes) -> bytes:
    """Rewrite a `mAB ` tag, whose curves, matrices and table lie anywhere in it."""
    inputs, outputs = content[8:10]
    b_at, matrix_at, m_at, table_at, a_at = struct.unpack_from(">5I", content, 12)
    parts = [
        _read_curves(content, b_at, outputs),
        _slice(content, matrix_at, 48) if matrix_at else b"",
        _read_curves(content, m_at, outputs),
        _read_table(content, table_at, inputs, outputs),
        _read_curves(content, a_at, inputs),
    ]
    offsets, body = [], b""
    for part in parts:
        offsets.append(32 + len(body) if part else 0)
        body += part
    return content[:4] + bytes(4) + struct.pack(">BB2x5I", inputs, outputs, *offsets) + body


def _read_curves(content: bytes, at: int, count: int) -> bytes:
    curves = b""
    for _ in range(count if at else 0):
        curve_type = content[at : at + 4]
        if curve_type not in (b"curv", b"para"):
            raise ValueError("A curve of the profile has an unknown type")
        curve = _REDUCE[curve_type](content[at:])
        curve += bytes(-len(curve) % 4)
        curves += curve
        at += len(curve)
    return curves


def _read_table(content: bytes, at: int, inputs: int, outputs: int) -> bytes:
    if not at:
        return b""
    grid, precision = content[at : at + inputs], content[at + 16]
    if precision not in (1, 2) or inputs > 16:
        raise ValueError("A table of the profile has an unknown shape")
    values = _slice(content, at + 20, math.prod(grid) * outputs * precision)
    table = grid.ljust(16, b"\0") + bytes([precision, 0, 0, 0]) + values
    return table + bytes(-len(table) % 4)


_REDUCE: dict[bytes, Callable[[bytes], bytes]] = {
    b"XYZ ": lambda content: _cut(content, 20),
    b"sf32": lambda content: _cut(content, 44),
    b"cicp": lambda content: _cut(content, 12),
    b"curv": _reduce_curve,
    b"para": _reduce_parametric,
    b"mft1": _reduce_lut8,
    b"mft2": _reduce_lut16,
    b"mAB ": _reduce_stages,
}
_CURVES, _TABLES = (b"curv", b"para"), (b"mft1", b"mft2", b"mAB ")
_TAGS: dict[bytes, tuple[bytes, ...]] = {
    **dict.fromkeys((b"wtpt", b"bkpt", b"rXYZ", b"gXYZ", b"bXYZ"), (b"XYZ ",)),
    **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC", b"kTRC"), _CURVES),
    **dict.fromkeys((b"A2B0", b"A2B1", b"A2B2"), _TABLES),
    b"chad": (b"sf32",),
    b"cicp": (b"cicp",),
}
