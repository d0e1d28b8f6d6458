"""ICC profiles written by hand, as cameras, monitors and printing presses attach them."""

import struct
from collections.abc import Sequence

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
# The columns of Display P3, adapted to D50, as Apple publishes them.
DISPLAY_P3 = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(65_536 * value) for value in values))


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(*values)


def parametric(*parameters: float) -> bytes:
    function = {1: 0, 5: 3}[len(parameters)]
    return b"para\0\0\0\0" + struct.pack(">H2x", function) + fixed(*parameters)


def text(value: bytes) -> bytes:
    """Return the content of a `desc` tag."""
    return b"desc\0\0\0\0" + struct.pack(">I", len(value) + 1) + value + bytes(79)


def profile(kind: bytes, tags: dict[bytes, bytes], secret: bytes = b"") -> bytes:
    """Return a profile. kind: device class, color space and connection space.

    secret: stands in the header, in texts, behind the content of every tag and at the end.
    """
    tags = {**tags, b"desc": text(b"My monitor " + secret), b"dmnd": text(secret)}
    table, body = struct.pack(">I", len(tags)), b""
    start = 132 + 12 * len(tags)
    for name, content in tags.items():
        content += secret
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    body += secret
    head = struct.pack(">I4sI", start + len(body), secret[:4].ljust(4, b"\0"), 0x02400000) + kind
    head = head.ljust(36, b"\0") + b"acsp" + secret[:28].ljust(28, b"\0") + fixed(*D50)
    return head.ljust(128, b"\0") + table + body


def rgb_profile(
    columns: Sequence[Sequence[float]] = DISPLAY_P3,
    curve: Sequence[float] = SRGB_CURVE,
    secret: bytes = b"",
) -> bytes:
    tags = {b"wtpt": xyz(*D50)}
    for channel, column in zip("rgb", columns, strict=True):
        tags[f"{channel}XYZ".encode()] = xyz(*column)
        tags[f"{channel}TRC".encode()] = parametric(*curve)
    return profile(b"mntrRGB XYZ ", tags, secret)


def gray_profile(gamma: float, secret: bytes = b"") -> bytes:
    tags = {b"wtpt": xyz(*D50), b"kTRC": parametric(gamma)}
    return profile(b"mntrGRAYXYZ ", tags, secret)


def cmyk_profile(secret: bytes = b"") -> bytes:
    """Return a profile of dull inks: no mixture of them is as colorful as a monitor's colors."""
    inks = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    change = [[-40, -25, -35], [-45, 50, 0], [-8, 0, 60], [-70, 0, 0]]  # L, a, b of each ink
    lab = np.array([95.0, 0, 0]) + inks @ np.array(change)
    lab = np.clip(lab, [8, -60, -60], [95, 60, 60])
    table = np.round(lab * [2.55, 1, 1] + [0, 128, 128]).astype(np.uint8).tobytes()
    straight = bytes(range(256))
    matrix = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + 4 * straight + table + 3 * straight
    return profile(b"prtrCMYKLab ", {b"wtpt": xyz(*D50), b"A2B0": lut}, secret)
