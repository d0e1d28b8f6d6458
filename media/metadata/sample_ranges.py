"""The parts of a movie's media data that belong to certain tracks (ISO/IEC 14496-12, 8.7, 8.8)."""

import struct
from collections.abc import Collection, Sequence

import numpy as np

from media.isobmff import Box, find_box, read_boxes

_MAX_TRACKS = 100
_MAX_RANGES = 50_000
_MAX_CHUNKS = 500_000  # three hours of sounds, if each is a chunk


class SampleRanges:
    """Collects the byte ranges of samples; `blank_others` deletes the rest of the media data."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._ranges: list[tuple[int, int]] = []
        self._chunks: list[tuple[np.ndarray, np.ndarray]] = []  # starts and ends

    def add(self, start: int, end: int) -> None:
        if len(self._ranges) == _MAX_RANGES:
            raise ValueError("There are too many runs of samples")
        if not 0 <= start <= end <= len(self._data):
            raise ValueError("A sample is outside of the file")
        self._ranges.append((start, end))

    def add_movie(self, traks: Sequence[Box], kept: Collection[Box]) -> None:
        """Add the samples of the kept tracks. Raises ValueError."""
        if len(traks) > _MAX_TRACKS:
            raise ValueError("There are too many tracks")
        offsets = {trak: self._chunk_offsets(trak) for trak in traks}
        if sum(map(len, offsets.values())) > _MAX_CHUNKS:
            raise ValueError("There are too many chunks of samples")
        all_starts = np.unique(np.concatenate([*offsets.values(), [len(self._data)]]))
        for trak in kept:
            starts = offsets[trak]
            if len(starts):
                self._chunks.append((starts, self._chunk_ends(trak, starts, all_starts)))

    def add_fragment(self, moof: Box, traf: Box, default_size: int) -> None:
        """Add the samples of a fragment of one track. Raises ValueError."""
        tfhd = find_box(self._data, (b"tfhd",), traf.body, traf.end)
        if tfhd is None:
            raise ValueError("A fragment has no header")
        flags = int.from_bytes(self._data[tfhd.body + 1 : tfhd.body + 4], "big")
        at, base = tfhd.body + 8, moof.start
        if flags & 0x1:
            base = struct.unpack_from(">Q", self._data, at)[0]
            at += 8
        at += 4 * bool(flags & 0x2) + 4 * bool(flags & 0x8)
        if flags & 0x10:
            default_size = struct.unpack_from(">I", self._data, at)[0]
        start = base
        for box in read_boxes(self._data, traf.body, traf.end):
            if box.type == b"trun":
                start, end = self._run(box, base, start, default_size)
                self.add(start, end)
                start = end

    def blank_others(self, out: bytearray, media: Sequence[Box]) -> None:
        """Overwrite with zeros what no range covers of the media boxes."""
        unused = np.ones(len(out), np.bool_)
        for start, end in self._merge():
            unused[start:end] = False
        values = np.frombuffer(out, np.uint8)
        for box in media:
            np.putmask(values[box.body : box.end], unused[box.body : box.end], 0)

    def _merge(self) -> list[tuple[int, int]]:
        """Return all ranges in order, joined where they touch. Raises ValueError."""
        ranges = np.array(self._ranges, dtype=np.int64).reshape(-1, 2)
        starts = np.concatenate([ranges[:, 0], *(starts for starts, _ in self._chunks)])
        ends = np.concatenate([ranges[:, 1], *(ends for _, ends in self._chunks)])
        if not len(starts):
            return []
        if (starts < 0).any() or (starts > ends).any() or (ends > len(self._data)).any():
            raise ValueError("A sample is outside of the file")
        order = np.argsort(starts)
        starts, ends = starts[order], np.maximum.accumulate(ends[order])
        begins = np.append(True, starts[1:] > ends[:-1])
        return list(
            zip(starts[begins].tolist(), ends[np.append(begins[1:], True)].tolist(), strict=True)
        )

    def _chunk_offsets(self, trak: Box) -> np.ndarray:
        boxes = self._sample_table(trak)
        if b"co64" in boxes:
            return self._table(boxes[b"co64"], 8, ">i8").astype(np.int64)
        if b"stco" in boxes:
            return self._table(boxes[b"stco"], 8, ">u4").astype(np.int64)
        return np.empty(0, np.int64)

    def _chunk_ends(self, trak: Box, starts: np.ndarray, all_starts: np.ndarray) -> np.ndarray:
        boxes = self._sample_table(trak)
        if not boxes.keys() >= {b"stsz", b"stsc"}:
            raise ValueError("A track does not say its samples")
        stsz = boxes[b"stsz"]
        if any(self._data[stsz.body + 4 : stsz.body + 8]):
            # Samples of one size: in QuickTime files not always the size that is stated.
            return all_starts[np.searchsorted(all_starts, starts, side="right")]
        sizes = self._table(stsz, 12, ">u4")
        runs = self._table(boxes[b"stsc"], 8, ">u4", columns=3).astype(np.int64)
        counts = np.diff(np.append(runs[:, 0] - 1, len(starts)))
        if not len(runs) or runs[0, 0] != 1 or (counts < 0).any():
            raise ValueError("The chunks of a track are in disorder")
        last = np.minimum(np.cumsum(np.repeat(runs[:, 1], counts)), len(sizes))
        first = np.append(0, last[:-1])
        totals = np.append(0, np.cumsum(sizes, dtype=np.int64))
        return starts + totals[last] - totals[first]

    def _sample_table(self, trak: Box) -> dict[bytes, Box]:
        stbl = find_box(self._data, (b"mdia", b"minf", b"stbl"), trak.body, trak.end)
        boxes = read_boxes(self._data, stbl.body, stbl.end) if stbl else ()
        return {box.type: box for box in boxes}

    def _table(self, box: Box, head: int, dtype: str, columns: int = 0) -> np.ndarray:
        """Return the table of a box. head: bytes before it, the last 4 are the number of rows."""
        rows = struct.unpack_from(">I", self._data, box.body + head - 4)[0]
        count = rows * (columns or 1)
        if box.body + head + count * np.dtype(dtype).itemsize > box.end:
            raise ValueError("A table reaches past its box")
        values = np.frombuffer(self._data, dtype, count, box.body + head)
        return values.reshape(rows, columns) if columns else values

    def _run(self, trun: Box, base: int, start: int, default_size: int) -> tuple[int, int]:
        """Return start and end of a run of samples, which otherwise follows the one before."""
        flags = int.from_bytes(self._data[trun.body + 1 : trun.body + 4], "big")
        count = struct.unpack_from(">I", self._data, trun.body + 4)[0]
        head = 8
        if flags & 0x1:
            start = base + struct.unpack_from(">i", self._data, trun.body + 8)[0]
            head += 4
        head += 4 * bool(flags & 0x4)
        if not flags & 0x200:
            return start, start + count * default_size
        columns = (flags & 0xF00).bit_count()
        if trun.body + head + 4 * columns * count > trun.end:
            raise ValueError("A table reaches past its box")
        table = np.frombuffer(self._data, ">u4", columns * count, trun.body + head)
        sizes = table.reshape(count, columns)[:, int(bool(flags & 0x100))]
        return start, start + int(sizes.sum(dtype=np.int64))
