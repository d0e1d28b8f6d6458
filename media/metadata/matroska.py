"""WebM and Matroska files. Source: RFC 8794 (EBML), RFC 9559 (Matroska).

The file keeps its length and all offsets: an element that pictures and sounds do not need becomes a
`Void` element of zeros.
"""

from collections.abc import Iterator
from typing import NamedTuple

from media.metadata.flac import clean_blocks
from media.metadata.ogg import THEORA_COMMENT, VORBIS_COMMENT, blank_comments

_MAX_ELEMENTS = 250_000  # an hour of speech has 180,000
_VOID = 0xEC
_HEADER, _SEGMENT, _CLUSTER, _TRACKS, _ENTRY = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE
_SEEK_HEAD, _INFO, _CUES = 0x114D9B74, 0x1549A966, 0x1C53BB6B
_APPLICATIONS = {0x4D80, 0x5741}  # obligatory texts: they become empty
_VIDEO, _AUDIO = 0xE0, 0xE1
_GROUP, _SIMPLE_BLOCK, _BLOCK = 0xA0, 0xA3, 0xA1
_NUMBER, _TYPE, _CODEC, _PRIVATE = 0xD7, 0x83, 0x86, 0x63A2
_COMMENT_HEADS = {b"A_VORBIS": VORBIS_COMMENT, b"V_THEORA": THEORA_COMMENT}
_KEPT_TYPES = (1, 2)  # video and audio; drones record places in subtitles
_IN_CLUSTER = {0xE7, 0xA7, 0xAB, _SIMPLE_BLOCK, _GROUP}
_CHILDREN: dict[int, set[int]] = {  # that are kept
    _SEGMENT: {_SEEK_HEAD, _INFO, _TRACKS, _CLUSTER, _CUES, *_IN_CLUSTER},
    _INFO: {0x2AD7B1, 0x4489, *_APPLICATIONS},  # scale of time, duration
    _TRACKS: {_ENTRY},
    _ENTRY: {
        *(_NUMBER, 0x73C5, _TYPE, 0xB9, 0x88, 0x55AA, 0x9C, 0x6DE7, 0x6DF8, 0x23E383, 0x234E7A),
        *(
            0x23314F,
            0x55EE,
            0x22B59C,
            _CODEC,
            _PRIVATE,
            0xAA,
            0x56AA,
            0x56BB,
            _VIDEO,
            _AUDIO,
            0x6D80,
        ),
    },
    _VIDEO: {0x9A, 0x9D, 0x53B8, 0x53C0, *range(0x54AA, 0x54BB), 0xB0, 0xBA, 0x55B0, 0x7670},
    _AUDIO: {0xB5, 0x78B5, 0x9F, 0x6264},
    _CLUSTER: _IN_CLUSTER,
    _GROUP: {_BLOCK, 0x9B, 0xFB, 0x75A2, 0x75A1},
}


class _Element(NamedTuple):
    id: int
    start: int
    body: int
    end: int


def strip_matroska(data: bytes) -> bytes:
    walker = _Walker(data)
    walker.clean_file()
    return bytes(walker.out)


class _Walker:
    def __init__(self, data: bytes) -> None:
        self.out = bytearray(data)
        self._elements = 0
        self._tracks: set[int] = set()  # numbers of the tracks that are kept

    def clean_file(self) -> None:
        for element in self._read(0, len(self.out)):
            if element.id == _SEGMENT:
                self._clean(element)
            elif element.id != _HEADER:
                self._blank(element)

    def _clean(self, parent: _Element) -> None:
        for element in self._read(parent.body, parent.end, parent.id):
            if element.id not in _CHILDREN[parent.id] or not self._is_kept(element):
                self._blank(element)
            elif element.id in _CHILDREN:
                self._clean(element)
            elif element.id in _APPLICATIONS:
                self.out[element.body : element.end] = bytes(element.end - element.body)

    def _is_kept(self, element: _Element) -> bool:
        if element.id == _ENTRY:
            return self._add_track(element)
        if element.id == _GROUP:
            blocks = self._read(element.body, element.end, _GROUP)
            block = next((block for block in blocks if block.id == _BLOCK), None)
            return block is not None and self._is_kept(block)
        if element.id in (_SIMPLE_BLOCK, _BLOCK):
            return self._read_number(element.body, element.end)[0] in self._tracks
        return True

    def _add_track(self, entry: _Element) -> bool:
        fields = {field.id: field for field in self._read(entry.body, entry.end, _ENTRY)}
        if self._unsigned(fields.get(_TYPE)) not in _KEPT_TYPES:
            return False
        self._tracks.add(self._unsigned(fields.get(_NUMBER)))
        if _CODEC in fields and _PRIVATE in fields:
            self._clean_private(fields[_CODEC], fields[_PRIVATE])
        return True

    def _clean_private(self, codec: _Element, private: _Element) -> None:
        """Clear the comments in the headers of a codec."""
        name = bytes(self.out[codec.body : codec.end])
        if name == b"A_FLAC":
            clean_blocks(self.out, private.body + 4, private.end)
        elif name in _COMMENT_HEADS:
            self._clear_second_packet(private, _COMMENT_HEADS[name])

    def _clear_second_packet(self, private: _Element, head: bytes) -> None:
        """Clear the second one of three packets, whose sizes stand before them (Xiph lacing)."""
        at, sizes = private.body + 1, []
        for _ in range(2):
            size = 0
            while self.out[at] == 0xFF:
                size, at = size + 0xFF, at + 1
            sizes.append(size + self.out[at])
            at += 1
        start = at + sizes[0]
        packet = self.out[start : start + sizes[1]]
        if start + sizes[1] > private.end:
            raise ValueError("The headers of a track are malformed")
        self.out[start : start + sizes[1]] = blank_comments(bytes(packet), head)

    def _unsigned(self, element: _Element | None) -> int:
        return int.from_bytes(self.out[element.body : element.end][:8], "big") if element else 0

    def _blank(self, element: _Element) -> None:
        """Replace an element by one that readers skip, of the same size."""
        size = element.end - element.start
        content, width = (size - 2, 1) if size - 2 <= 126 else (size - 9, 8)
        marker = 1 << 7 * width
        self.out[element.start : element.end] = (
            bytes([_VOID]) + (marker | content).to_bytes(width, "big") + bytes(content)
        )

    def _read(self, at: int, end: int, parent: int = 0) -> Iterator[_Element]:
        """Yield the elements between two offsets. Zeros at the end are padding."""
        while at < end and (self.out[at] or any(self.out[at:end])):
            self._elements += 1
            if self._elements > _MAX_ELEMENTS:
                raise ValueError("There are too many elements")
            element_id, id_width = self._read_number(at, end, keep_marker=True)
            size, size_width = self._read_number(at + id_width, end)
            body = at + id_width + size_width
            element_end = body + size
            if size == (1 << 7 * size_width) - 1:  # unknown, as in recordings of browsers
                # The contents of such a cluster are read as if they followed it.
                element_end = body if element_id == _CLUSTER else end
            elif element_end > end == len(self.out):
                element_end = end  # the file is cut off
            if element_end > end:
                raise ValueError("An element reaches past its parent")
            yield _Element(element_id, at, body, element_end)
            at = element_end

    def _read_number(self, at: int, end: int, *, keep_marker: bool = False) -> tuple[int, int]:
        """Return a number of variable width, and its width in bytes."""
        width = 9 - self.out[at].bit_length()
        if width > (4 if keep_marker else 8) or at + width > end:
            raise ValueError("A number is malformed")
        number = int.from_bytes(self.out[at : at + width], "big")
        return (number if keep_marker else number - (1 << 7 * width)), width
