"""The payload of a coded item of a HEIC or AVIF file. Sources: ISO/IEC 14496-15, AV1 (5.3)."""

_MAX_PICTURE_UNIT = 31  # types of HEVC units above it hold no pixels, but perhaps texts (SEI)
_PICTURE_OBUS = {1, 2, 3, 4, 6, 7, 8}  # sequence header, delimiter, frame and its parts, tile list


def check_hevc(payload: bytes, length_size: int) -> None:
    """Raise ValueError unless the payload consists of units of pixels alone.

    length_size: bytes of the length before each unit.
    """
    at = 0
    while at < len(payload):
        start = at + length_size
        at = start + int.from_bytes(payload[at:start], "big")
        if at > len(payload) or start == at or (payload[start] >> 1) & 0x3F > _MAX_PICTURE_UNIT:
            raise ValueError("A picture is not made of pixels alone")


def check_av1(payload: bytes) -> None:
    """Raise ValueError unless the payload consists of units of pixels alone."""
    at = 0
    while at < len(payload):
        header = payload[at]
        if (header >> 3) & 15 not in _PICTURE_OBUS:
            raise ValueError("A picture is not made of pixels alone")
        at += 2 if header & 4 else 1
        if not header & 2:  # without a size it reaches to the end
            return
        size, shift = 0, 0
        while True:
            size |= (payload[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not payload[at - 1] & 0x80 or shift > 56:
                break
        at += size
    if at != len(payload):
        raise ValueError("A picture ends early")
