"""GIF files. Source: GIF89a."""

import struct

_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF  # timing and transparency; looping and others
_MAX_BLOCKS = 100_000  # in all, with bytes that belong to none
_LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def strip_gif(data: bytes) -> bytes:
    at = 13 + _color_table_size(data[10])
    parts = [data[:at]]
    for _ in range(_MAX_BLOCKS):
        start = at
        if data[at] == _END:
            return b"".join([*parts, bytes([_END])])
        if data[at] == _IMAGE:  # descriptor, color table, code size, blocks
            at = _skip_blocks(data, at + 11 + _color_table_size(data[at + 9]))
            parts.append(data[start:at])
        elif data[at] == _EXTENSION:
            at = _skip_blocks(data, at + 2)
            parts.append(_rebuild_extension(data[start:at]))
        else:  # decoders skip other bytes, too
            at += 1
    raise ValueError("The GIF has too many blocks")


def _skip_blocks(data: bytes, at: int) -> int:
    """Return the position after the last one of a row of blocks."""
    while data[at]:
        at += data[at] + 1
    return at + 1


def _rebuild_extension(block: bytes) -> bytes:
    """Return an extension with its known fields; nothing if it does not change the picture."""
    label, size = block[1:3]
    if label == _CONTROL and size == 4:
        return block[:7] + b"\0"
    is_looping = label == _APPLICATION and size == 11 and block[3:14] in _LOOPING
    if is_looping and block[14:16] == b"\x03\x01":
        return block[:16] + struct.pack("<H", *struct.unpack_from("<H", block, 16)) + b"\0"
    return b""


def _color_table_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
