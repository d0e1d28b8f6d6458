"""Ogg files with Opus, Vorbis, FLAC, Speex or Theora. Sources: RFC 3533, RFC 5334, RFC 7845.

Comments become a single text of zeros, so that all pages keep their sizes. Other streams are
dropped.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

VORBIS_COMMENT, THEORA_COMMENT = b"\x03vorbis", b"\x81theora"
_MAX_PAGES = 100_000  # half an hour of speech, if each page is a single packet
_COMMENT_HEADS = {  # of the second packet, by the beginning of the first one
    b"OpusHead": b"OpusTags",
    b"\x01vorbis": VORBIS_COMMENT,
    b"\x80theora": THEORA_COMMENT,
    b"Speex   ": b"",
}
_FLAC = b"\x7fFLAC"  # its first packet is followed by the blocks of a FLAC file
_FLAC_COMMENT, _FLAC_PADDING, _FLAC_LAST = 4, 1, 0x80
_BEGINS_STREAM = 0x02  # flag of a page
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    serial: int
    flags: int
    start: int
    lacing: int
    body: int
    end: int


def strip_ogg(data: bytes) -> bytes:
    out = bytearray(data)
    streams: dict[int, _Stream] = {}  # the current one by serial number
    all_streams: list[_Stream] = []
    pages: list[_Page] = []
    end = 0
    for page in _read_pages(data):
        end = page.end
        if page.flags & _BEGINS_STREAM or page.serial not in streams:
            streams[page.serial] = _Stream(data[page.body : page.end])
            all_streams.append(streams[page.serial])
        if streams[page.serial].is_known:
            streams[page.serial].clean_page(out, page)
            pages.append(page)
    if any(stream.is_known and stream.has_headers for stream in all_streams):
        raise ValueError("The comments of a stream do not end")
    padding = b"" if any(data[end:]) else data[end:]
    return b"".join(out[page.start : page.end] for page in pages) + padding


def blank_comments(packet: bytes, head: bytes) -> bytes:
    """Return a packet of comments of the same size that says nothing. head: its first bytes."""
    framing = b"\1" if head == VORBIS_COMMENT else b""
    size = len(packet) - len(head) - 8 - len(framing)
    if size < 0 or not packet.startswith(head):
        raise ValueError("The comments are malformed")
    return head + struct.pack("<I", size) + bytes(size + 4) + framing


class _Stream:
    """Cleans the pages of a logical stream until its headers end."""

    def __init__(self, first_page: bytes) -> None:
        heads = [head for start, head in _COMMENT_HEADS.items() if first_page.startswith(start)]
        self._comment_head = heads[0] if heads else None
        self._is_flac = first_page.startswith(_FLAC)
        self.is_known = bool(heads) or self._is_flac or not first_page
        self.has_headers = bool(first_page)
        self._packet_number = 0
        self._packet: list[tuple[int, int]] = []  # ranges of bytes
        self._pages: list[_Page] = []  # of the packet

    def clean_page(self, out: bytearray, page: _Page) -> None:
        """Clear the comments that end on a page. Raises ValueError if they are malformed."""
        at = page.body
        for size in out[page.lacing : page.body]:
            if not self.has_headers:
                return
            if page not in self._pages[-1:]:
                self._pages.append(page)
            self._packet.append((at, at + size))
            at += size
            if size < 255:
                if self._packet_number > 0:
                    self._clean_packet(out)
                self._packet_number += 1
                self._packet, self._pages = [], []

    def _clean_packet(self, out: bytearray) -> None:
        packet = b"".join(out[start:end] for start, end in self._packet)
        if self._is_flac:
            self.has_headers = not packet[0] & _FLAC_LAST
            cleaned = _clean_flac_block(packet)
        else:
            self.has_headers = False
            cleaned = blank_comments(packet, self._comment_head or b"")
        for start, end in self._packet:
            out[start:end], cleaned = cleaned[: end - start], cleaned[end - start :]
        for page in self._pages:
            out[page.start + 22 : page.start + 26] = bytes(4)
            checksum = struct.pack("<I", _checksum(out[page.start : page.end]))
            out[page.start + 22 : page.start + 26] = checksum


def _clean_flac_block(packet: bytes) -> bytes:
    if packet[0] & ~_FLAC_LAST == _FLAC_COMMENT:
        return packet[:4] + blank_comments(packet[4:], b"")
    return bytes([packet[0] & _FLAC_LAST | _FLAC_PADDING]) + packet[1:4] + bytes(len(packet) - 4)


def _checksum(page: bytes | bytearray) -> int:
    """Return the CRC-32 of Ogg, which runs over the bits in reverse order and without inversion."""
    reverse = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reverse:032b}"[::-1], 2)


def _read_pages(data: bytes) -> Iterator[_Page]:
    at = 0
    for _ in range(_MAX_PAGES):
        at = data.find(b"OggS", at)
        if at < 0 or at + 27 > len(data):
            return
        flags, serial = data[at + 5], struct.unpack_from("<I", data, at + 14)[0]
        lacing = at + 27
        body = lacing + data[at + 26]
        end = body + sum(data[lacing:body])
        if end > len(data):
            return
        yield _Page(serial, flags, at, lacing, body, end)
        at = end
    raise ValueError("There are too many pages")
