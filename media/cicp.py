"""Code points of ITU-T H.273 for colors, in PNG's cICP chunk and the `colr` box of AVIF and HEIC.

Browsers are followed: the transfer of BT.709 and its relatives is the gamma of a television (2.4,
BT.1886) in PNG; in AVIF and HEIC, where encoders write it by default, it counts as that of sRGB.
Pictures in high dynamic range are compressed to the range of a monitor.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from media.icc import build_profile
from media.isobmff import find_box, read_boxes

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 1000  # before the pixels
_REFERENCE_WHITE = 203.0  # cd/m², ITU-R BT.2408
_PEAK = 1000.0  # cd/m², the luminance that becomes white
_TELEVISION_TRANSFERS = (1, 6, 11, 14, 15)
_SRGB_TRANSFER = 13
_PRIMARIES = {  # x and y of white, red, green and blue
    1: (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060),  # BT.709, sRGB
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),  # BT.470 M
    5: (0.3127, 0.3290, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),  # BT.470 B and G
    6: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),  # BT.601
    7: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),  # SMPTE 240M
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),  # film
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI P3
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
    22: (0.3127, 0.3290, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),  # EBU 3213
}


class CodePoints(NamedTuple):
    """Primaries and transfer by their numbers. is_full_range: black is 0 and white is 255."""

    primaries: int
    transfer: int
    is_full_range: bool = True


def read_code_points(data: bytes) -> CodePoints | None:
    """Return the code points of a PNG, AVIF or HEIC file, if it has any."""
    try:
        if data.startswith(_PNG_SIGNATURE):
            return _read_png(data)
        return _read_isobmff(data) if data[4:8] == b"ftyp" else None
    except (struct.error, IndexError, ValueError):
        return None


def code_points_profile(code_points: CodePoints) -> bytes | None:
    """Return an ICC profile; None if the code points are unspecified or unknown."""
    linearize = _TRANSFERS.get(code_points.transfer)
    chromaticities = _PRIMARIES.get(code_points.primaries)
    if linearize is None or chromaticities is None:
        return None
    codes = np.arange(256) / 255
    if not code_points.is_full_range:
        codes = np.clip((codes * 255 - 16) / 219, 0, 1)
    return build_profile(chromaticities, linearize(codes))


def _read_png(data: bytes) -> CodePoints | None:
    at = 8
    for _ in range(_MAX_CHUNKS):
        length, chunk_type = struct.unpack_from(">I4s", data, at)
        if chunk_type == b"cICP" and length == 4:
            primaries, transfer, matrix, full_range = data[at + 8 : at + 12]
            return None if matrix else CodePoints(primaries, transfer, bool(full_range))
        if chunk_type in (b"IDAT", b"IEND"):
            return None
        at += 12 + length
    return None


def _read_isobmff(data: bytes) -> CodePoints | None:
    """Return the code points of the first picture, which are the same in all files of one."""
    properties = find_box(data, (b"meta", b"iprp", b"ipco"), 0, len(data))
    if properties is None:
        return None
    for box in read_boxes(data, properties.body, properties.end):
        if box.type == b"colr" and data[box.body : box.body + 4] == b"nclx":
            primaries, transfer = struct.unpack_from(">HH", data, box.body + 4)
            is_television = transfer in _TELEVISION_TRANSFERS
            return CodePoints(primaries, _SRGB_TRANSFER if is_television else transfer)
    return None


def linearize_srgb(codes: np.ndarray) -> np.ndarray:
    """Return the linear light of sRGB values, both 0..1."""
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def _linearize_smpte_240(codes: np.ndarray) -> np.ndarray:
    return np.where(codes <= 0.0913, codes / 4, ((codes + 0.1115) / 1.1115) ** (1 / 0.45))


def _linearize_pq(codes: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: 0..10,000 cd/m², compressed."""
    root = codes ** (32 / 2523)
    light = np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)
    return _compress(10_000 * light ** (8192 / 1305))


def _linearize_hlg(codes: np.ndarray) -> np.ndarray:
    """ARIB STD-B67 with the system gamma of a display of 1000 cd/m², compressed."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)
    return _compress(1000 * scene**1.2)


def _compress(luminance: np.ndarray) -> np.ndarray:
    """Map cd/m² to 0..1 by the extended curve of Reinhard (2002); _PEAK becomes white."""
    value, peak = luminance / _REFERENCE_WHITE, _PEAK / _REFERENCE_WHITE
    return np.clip(value * (1 + value / peak**2) / (1 + value), 0, 1)


_TRANSFERS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    **dict.fromkeys(_TELEVISION_TRANSFERS, lambda codes: codes**2.4),
    _SRGB_TRANSFER: linearize_srgb,
    4: lambda codes: codes**2.2,
    5: lambda codes: codes**2.8,
    7: _linearize_smpte_240,
    8: lambda codes: codes,
    16: _linearize_pq,
    17: lambda codes: codes**2.6,
    18: _linearize_hlg,
}
