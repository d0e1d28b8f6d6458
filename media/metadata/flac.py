"""FLAC files. Source: RFC 9639. Blocks that decoding does not need become padding."""

_STREAM_INFO, _PADDING, _SEEK_TABLE = 0, 1, 3
_MAX_BLOCKS = 1000
_LAST = 0x80  # flag of the last block
_OLD_TAG_SIZE = 128  # bytes of an ID3v1 tag, at the end of the file


def strip_flac(data: bytes) -> bytes:
    out = bytearray(data)
    frames = clean_blocks(out, 4, len(out))
    for tag, start in ((b"APETAGEX", frames), (b"TAG", max(frames, len(out) - _OLD_TAG_SIZE))):
        if (at := out.find(tag, start)) >= 0:
            del out[at:]
    return bytes(out)


def clean_blocks(out: bytearray, at: int, end: int) -> int:
    """Clean the metadata blocks from a position on; return their end. Raises ValueError."""
    for _ in range(_MAX_BLOCKS):
        if at + 4 > end:
            break
        block_type, size = out[at] & ~_LAST, int.from_bytes(out[at + 1 : at + 4], "big")
        is_last = out[at] & _LAST
        if at + 4 + size > end:
            break
        if block_type not in (_STREAM_INFO, _SEEK_TABLE):
            out[at] = is_last | _PADDING
            out[at + 4 : at + 4 + size] = bytes(size)
        at += 4 + size
        if is_last:
            return at
    raise ValueError("The FLAC metadata has no end")
