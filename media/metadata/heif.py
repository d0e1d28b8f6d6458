"""HEIC and AVIF files. Sources: ISO/IEC 23008-12 (HEIF), 14496-12, MIAF (23000-22).

Only the items are kept that the primary picture is made of: the picture or its tiles, and their
transparency. So EXIF, XMP, thumbnails, depth maps and other pictures are gone. The `meta` box is
written again, and what it no longer needs of its size becomes a `free` box: all offsets stay.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from media.icc import reduce_profile
from media.isobmff import Box, find_box, read_boxes, read_file
from media.metadata.coded_items import check_av1, check_hevc
from media.metadata.movie import blank, clean_movie
from media.metadata.sample_ranges import SampleRanges

_TOP = {b"ftyp", b"meta", b"moov", b"mdat"}
_MAX_ITEMS = 5000  # a picture of 50 megapixels has 200 tiles
_MAX_REFERENCES = 20_000
_CODED = {b"hvc1", b"hev1", b"av01", b"avc1", b"vvc1", b"j2k1", b"jpeg", b"unci"}
_DERIVED = {b"grid", b"iovl", b"iden"}
_ALPHA = {
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:hevc:2015:auxid:1",
    b"urn:mpeg:avc:2015:auxid:1",
}
_PROPERTY_SIZES = {  # bytes; None: as large as it is
    **{b"ispe": 12, b"irot": 1, b"imir": 1, b"pasp": 8, b"clap": 32, b"rloc": 12, b"lsel": 2},
    **{b"clli": 4, b"mdcv": 24, b"a1op": 1, b"a1lx": None, b"cmpd": None, b"uncC": None},
    **{b"av1C": None, b"avcC": None, b"vvcC": None, b"j2kH": None, b"jpgC": None, b"lhvC": None},
}
_PARAMETER_SETS = (32, 33, 34)  # types of HEVC units: those of video, sequence and picture


class _Item(NamedTuple):
    """The bytes of an item: offsets and sizes in the file, or in the `idat` box."""

    extents: list[tuple[int, int]]
    is_in_idat: bool


class _Property(NamedTuple):
    number: int  # from 1 on
    is_essential: bool


class _Reader:
    """Reads numbers of a box one after the other."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data, self._at, self._end = data, box.body + 4, box.end
        self.version = data[box.body]
        self.flags = int.from_bytes(data[box.body + 1 : box.body + 4], "big")

    def number(self, size: int) -> int:
        start, self._at = self._at, self._at + size
        if self._at > self._end:
            raise ValueError("A box ends early")
        return int.from_bytes(self._data[start : self._at], "big")

    def rest(self) -> tuple[int, int]:
        return self._at, self._end


class _Meta:
    """The items of a file. Raises ValueError if they are malformed."""

    def __init__(self, data: bytes, meta: Box) -> None:
        self.data = data
        self.boxes = {box.type: box for box in read_boxes(data, meta.body + 4, meta.end)}
        pitm = self._reader(b"pitm")
        self.primary = pitm.number(4 if pitm.version else 2)
        self.types = dict(self._read_types())
        self.items = dict(self._read_locations())
        self.references = list(self._read_references())
        properties = self.boxes.get(b"iprp")
        ipco = find_box(data, (b"ipco",), properties.body, properties.end) if properties else None
        self.properties = list(read_boxes(data, ipco.body, ipco.end)) if ipco else []
        self.associations = dict(self._read_associations())

    def property_of(self, item_id: int, box_type: bytes) -> bytes:
        for association in self.associations.get(item_id, []):
            box = self.properties[association.number - 1]
            if box.type == box_type:
                return self.data[box.body : box.end]
        return b""

    def _reader(self, box_type: bytes) -> _Reader:
        if box_type not in self.boxes:
            raise ValueError(f"There is no {box_type.decode()} box")
        return _Reader(self.data, self.boxes[box_type])

    def _read_types(self) -> Iterator[tuple[int, bytes]]:
        iinf = self._reader(b"iinf")
        iinf.number(4 if iinf.version else 2)
        for box in read_boxes(self.data, *iinf.rest()):
            infe = _Reader(self.data, box)
            if box.type != b"infe" or infe.version < 2:
                raise ValueError("An item has an unknown version")
            item_id = infe.number(4 if infe.version > 2 else 2)
            infe.number(2)
            yield item_id, infe.number(4).to_bytes(4, "big")

    def _read_locations(self) -> Iterator[tuple[int, _Item]]:
        iloc = self._reader(b"iloc")
        sizes = iloc.number(2)
        offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 0xF, sizes >> 4 & 0xF
        index_size = sizes & 0xF if iloc.version else 0
        count = iloc.number(4 if iloc.version > 1 else 2)
        for _ in range(count):
            item_id = iloc.number(4 if iloc.version > 1 else 2)
            method = iloc.number(2) & 0xF if iloc.version else 0
            if method > 1:
                raise ValueError("An item is made of other items")
            iloc.number(2)
            base = iloc.number(base_size)
            extents = []
            for _ in range(iloc.number(2)):
                iloc.number(index_size)
                offset = base + iloc.number(offset_size)
                extents.append((offset, iloc.number(length_size)))
            yield item_id, _Item(extents, is_in_idat=method == 1)

    def _read_references(self) -> Iterator[tuple[bytes, int, list[int]]]:
        if b"iref" not in self.boxes:
            return
        iref = self._reader(b"iref")
        size, total = (4 if iref.version else 2), 0
        for box in read_boxes(self.data, *iref.rest()):
            # The reader skips version and flags, which these boxes do not have.
            reader = _Reader(self.data, box._replace(body=box.body - 4))
            from_id = reader.number(size)
            count = reader.number(2)
            total += count
            if total > _MAX_REFERENCES:
                raise ValueError("There are too many references")
            yield box.type, from_id, [reader.number(size) for _ in range(count)]

    def _read_associations(self) -> Iterator[tuple[int, list[_Property]]]:
        iprp = self.boxes.get(b"iprp")
        for box in read_boxes(self.data, iprp.body, iprp.end) if iprp else ():
            if box.type != b"ipma":
                continue
            ipma = _Reader(self.data, box)
            width = 2 if ipma.flags & 1 else 1
            for _ in range(ipma.number(4)):
                item_id = ipma.number(4 if ipma.version else 2)
                values = [ipma.number(width) for _ in range(ipma.number(1))]
                essential = 0x80 << 8 * (width - 1)
                properties = [_Property(v & ~essential, bool(v & essential)) for v in values]
                yield (
                    item_id,
                    [each for each in properties if 0 < each.number <= len(self.properties)],
                )


def strip_heif(data: bytes) -> bytes:
    out = bytearray(data)
    boxes, end = read_file(data)
    ranges = SampleRanges(data)
    for box in boxes:
        if box.type == b"meta":
            out[box.start : box.end] = _rebuild_meta(_Meta(data, box), box.end - box.start, ranges)
        elif box.type not in _TOP:
            blank(out, box)
    clean_movie(out, boxes, ranges)
    return bytes(out[:end])


def _rebuild_meta(meta: _Meta, size: int, ranges: SampleRanges) -> bytes:
    """Return a `meta` box, and a `free` box behind it, which have a size together.

    Adds to `ranges` where the kept items are in the file.
    """
    kept = _find_items(meta)
    for item in (meta.items[item_id] for item_id in kept):
        for offset, length in () if item.is_in_idat else item.extents:
            ranges.add(offset, offset + length)
    for item_id in kept:
        _check_payload(meta, item_id)
    wide = max(kept) > 0xFFFF
    content = b"".join(
        (
            _full_box(b"pitm", _id(meta.primary, wide), version=int(wide)),
            _write_types(meta, kept, wide),
            _write_locations(meta, kept, wide),
            _write_references(meta, kept, wide),
            _write_properties(meta, kept, wide),
            _write_idat(meta, kept),
        )
    )
    handler = bytes(4) + b"pict" + bytes(13)  # with an empty name
    box = _full_box(b"meta", _full_box(b"hdlr", handler) + content)
    rest = size - len(box)
    if 0 < rest < 8:  # too small for a box of its own
        box, rest = _full_box(b"meta", _full_box(b"hdlr", handler + bytes(rest)) + content), 0
    if rest < 0:
        raise ValueError("The metadata box has no room")
    return box + (_box(b"free", bytes(rest - 8)) if rest else b"")


def _check_payload(meta: _Meta, item_id: int) -> None:
    """Raise ValueError if a coded picture holds something else than pixels."""
    item = meta.items[item_id]
    if item.is_in_idat:
        return
    payload = b"".join(meta.data[start : start + length] for start, length in item.extents)
    if meta.types[item_id] in (b"hvc1", b"hev1"):
        check_hevc(payload, 1 + (meta.property_of(item_id, b"hvcC")[21] & 3))
    elif meta.types[item_id] == b"av01":
        check_av1(payload)


def _find_items(meta: _Meta) -> list[int]:
    """Return the ids of the items that the primary picture is made of."""
    parts: dict[int, list[int]] = defaultdict(list)
    for reference_type, from_id, to_ids in meta.references:
        if reference_type == b"dimg":
            parts[from_id] += to_ids
        elif reference_type == b"auxl" and _is_alpha(meta.property_of(from_id, b"auxC")):
            for to_id in to_ids:
                parts[to_id].append(from_id)
    kept: set[int] = set()
    following = [meta.primary]
    while following:
        item_id = following.pop()
        if item_id in kept:
            continue
        kept.add(item_id)
        if meta.types.get(item_id) not in _CODED | _DERIVED or item_id not in meta.items:
            raise ValueError("The picture is made of unknown items")
        following += parts[item_id]
    if len(kept) > _MAX_ITEMS:
        raise ValueError("The picture is made of too many items")
    return sorted(kept)


def _is_alpha(auxiliary: bytes) -> bool:
    return auxiliary[4:].partition(b"\0")[0] in _ALPHA


def _write_types(meta: _Meta, kept: list[int], wide: bool) -> bytes:
    entries = [
        _full_box(
            b"infe", _id(item_id, wide) + bytes(2) + meta.types[item_id] + b"\0", 3 if wide else 2
        )
        for item_id in kept
    ]
    return _full_box(b"iinf", struct.pack(">H", len(kept)) + b"".join(entries))


def _write_locations(meta: _Meta, kept: list[int], wide: bool) -> bytes:
    version = 2 if wide else int(any(meta.items[item_id].is_in_idat for item_id in kept))
    content = struct.pack(">HI" if wide else ">HH", 0x4400, len(kept))  # numbers of 4 bytes
    for item_id in kept:
        item = meta.items[item_id]
        content += _id(item_id, wide)
        content += struct.pack(">H", item.is_in_idat) if version else b""
        content += struct.pack(">HH", 0, len(item.extents))
        content += b"".join(struct.pack(">II", *extent) for extent in item.extents)
    return _full_box(b"iloc", content, version)


def _write_references(meta: _Meta, kept: list[int], wide: bool) -> bytes:
    content, known = b"", set(kept)
    for reference_type, from_id, to_ids in meta.references:
        ids = [to_id for to_id in to_ids if to_id in known]
        if reference_type in (b"dimg", b"auxl", b"prem") and from_id in known and ids:
            numbers = struct.pack(">H", len(ids)) + b"".join(_id(to_id, wide) for to_id in ids)
            content += _box(reference_type, _id(from_id, wide) + numbers)
    return _full_box(b"iref", content, version=int(wide)) if content else b""


def _write_properties(meta: _Meta, kept: list[int], wide: bool) -> bytes:
    """Return the properties of the kept items, numbered from 1 on."""
    numbers: dict[int, int] = {}  # new ones by old ones; 0 for properties that are dropped
    boxes = b""
    associations: list[list[_Property]] = []
    for item_id in kept:
        associations.append([])
        for old, is_essential in meta.associations.get(item_id, []):
            if old not in numbers:
                rebuilt = _rebuild_property(meta.data, meta.properties[old - 1])
                numbers[old] = 1 + max(numbers.values(), default=0) if rebuilt else 0
                boxes += rebuilt
            if numbers[old]:
                associations[-1].append(_Property(numbers[old], is_essential))
            elif is_essential:
                raise ValueError("An essential property of the picture is unknown")
    ipma = _write_associations(dict(zip(kept, associations, strict=True)), wide)
    return _box(b"iprp", _box(b"ipco", boxes) + ipma)


def _write_associations(associations: dict[int, list[_Property]], wide: bool) -> bytes:
    """Return the `ipma` box, with properties of one byte if their numbers fit."""
    largest = max((each.number for of_item in associations.values() for each in of_item), default=0)
    bits = 7 if largest < 128 else 15
    content = struct.pack(">I", len(associations))
    for item_id, properties in associations.items():
        values = [each.is_essential << bits | each.number for each in properties]
        code = "B" if bits == 7 else "H"
        content += _id(item_id, wide) + struct.pack(f">B{len(values)}{code}", len(values), *values)
    return _full_box(b"ipma", content, version=int(wide), flags=int(bits == 15))


def _rebuild_property(data: bytes, box: Box) -> bytes:
    """Return a property with its known fields; nothing if the pixels do not need it."""
    content = data[box.body : box.end]
    if box.type == b"colr":
        content = _rebuild_color(content)
    elif box.type == b"auxC":
        urn = content[4:].partition(b"\0")[0]
        content = bytes(4) + urn + b"\0" if urn in _ALPHA else b""
    elif box.type == b"hvcC":
        content = _rebuild_hevc(content)
    elif box.type == b"pixi":
        content = content[: 5 + content[4]]
    elif box.type in _PROPERTY_SIZES:
        content = content[: _PROPERTY_SIZES[box.type]]
    else:
        content = b""
    return _box(box.type, content) if content else b""


def _rebuild_color(content: bytes) -> bytes:
    if content[:4] == b"nclx":
        return content[:11]
    profile = reduce_profile(content[4:]) if content[:4] in (b"prof", b"rICC") else None
    return content[:4] + profile if profile else b""


def _rebuild_hevc(content: bytes) -> bytes:
    """Keep the parameter sets; other units can hold texts."""
    arrays, at = [], 23
    for _ in range(content[22]):
        start, count = at, struct.unpack_from(">H", content, at + 1)[0]
        at += 3
        for _ in range(count):
            at += 2 + struct.unpack_from(">H", content, at)[0]
        if content[start] & 0x3F in _PARAMETER_SETS:
            arrays.append(content[start:at])
    return content[:22] + bytes([len(arrays)]) + b"".join(arrays)


def _write_idat(meta: _Meta, kept: list[int]) -> bytes:
    box = meta.boxes.get(b"idat")
    if box is None:
        return b""
    size = box.end - box.body
    content = bytearray(size)
    for item in (meta.items[item_id] for item_id in kept):
        for offset, length in item.extents if item.is_in_idat else ():
            if offset + length > size:
                raise ValueError("An item reaches past its box")
            start = box.body + offset
            content[offset : offset + length] = meta.data[start : start + length]
    return _box(b"idat", content)


def _id(item_id: int, wide: bool) -> bytes:
    return struct.pack(">I" if wide else ">H", item_id)


def _box(box_type: bytes, content: bytes | bytearray) -> bytes:
    return struct.pack(">I4s", 8 + len(content), box_type) + content


def _full_box(box_type: bytes, content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(box_type, struct.pack(">I", version << 24 | flags) + content)
