"""MP4, MOV, M4A and 3GP files. Sources: ISO/IEC 14496-12, QuickTime File Format Specification.

The file keeps its length and all offsets: a box that pictures and sounds do not need becomes a
`free` box of zeros. Tracks other than video and audio go, too: cameras and drones record places in
timed metadata and subtitles.
"""

import struct
from collections.abc import Collection, Sequence

from media.isobmff import Box, find_box, read_boxes, read_file
from media.metadata.flac import clean_blocks
from media.metadata.sample_ranges import SampleRanges

_TOP = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"ssix", b"mfra"}
_CONTAINERS: dict[bytes, set[bytes]] = {  # with the children that they keep
    b"moov": {b"mvhd", b"trak", b"mvex"},
    b"trak": {b"tkhd", b"edts", b"mdia"},
    b"edts": {b"elst"},
    b"mdia": {b"mdhd", b"hdlr", b"minf"},
    b"minf": {b"vmhd", b"smhd", b"nmhd", b"hdlr", b"dinf", b"stbl"},
    b"dinf": {b"dref"},
    b"stbl": {
        *(b"stsd", b"stts", b"ctts", b"cslg", b"stss", b"stps", b"stsh", b"stsc", b"stsz"),
        *(b"stco", b"co64", b"sdtp", b"sbgp", b"sgpd"),
    },
    b"mvex": {b"mehd", b"trex"},
    b"moof": {b"mfhd", b"traf"},
    b"traf": {b"tfhd", b"tfdt", b"trun", b"sbgp", b"sgpd"},
    b"wave": {b"frma", b"mp4a", b"esds", b"alac", b"enda", b"chan", bytes(4)},
}
_DECODER_BOXES = {  # of a sample description
    *(b"avcC", b"hvcC", b"lhvC", b"vvcC", b"av1C", b"vpcC", b"dvcC", b"dvvC", b"d263"),
    *(b"esds", b"dOps", b"dfLa", b"alac", b"dac3", b"dec3", b"dac4", b"damr", b"pcmC", b"wave"),
    *(b"colr", b"pasp", b"clap", b"fiel", b"gama", b"btrt", b"mdcv", b"clli", b"SmDm", b"CoLL"),
    *(b"chan", b"chnl", b"srat", b"auxi", b"ccst"),
}
_SIZES = {  # of boxes with a fixed size, by version
    b"mvhd": (100, 112),
    b"tkhd": (84, 96),
    b"mdhd": (24, 36),
    b"vmhd": (12,),
    b"smhd": (8,),
    b"nmhd": (4,),
    b"mfhd": (8,),
    b"trex": (24,),
    b"mehd": (8, 12),
    b"tfdt": (8, 12),
}
_ENTRY_SIZES = {  # of boxes with a table, bytes by version; the number of entries stands before it
    b"stts": (8,),
    b"ctts": (8, 8),
    b"stss": (4,),
    b"stsc": (12,),
    b"stco": (4,),
    b"co64": (8,),
    b"elst": (12, 20),
}
_TIMES = {b"mvhd", b"tkhd", b"mdhd"}  # begin with the times of creation and change
_VISUAL, _AUDIBLE = (b"vide", b"auxv", b"pict"), (b"soun",)  # handlers of tracks
_VISUAL_HEAD = 78  # bytes of a sample description before its boxes
_AUDIO_HEADS = (28, 44, 64)  # the latter ones in QuickTime files


def strip_movie(data: bytes) -> bytes:
    out = bytearray(data)
    boxes, end = read_file(data)
    clean_movie(out, boxes, SampleRanges(data))
    for box in boxes:
        if box.type not in _TOP:
            blank(out, box)
    return bytes(out[:end])


def clean_movie(out: bytearray, boxes: list[Box], ranges: SampleRanges) -> None:
    """Clean the movie and its fragments in place, and delete media data that nothing uses.

    boxes: those of the file. ranges: parts of the media data that are used otherwise.
    """
    sizes: dict[int, int] = {}  # of samples in fragments, by track
    for box in boxes:
        if box.type == b"moov":
            children = list(read_boxes(out, box.body, box.end))
            traks = [child for child in children if child.type == b"trak"]
            kept = [trak for trak in traks if _handler_of(out, trak) in _VISUAL + _AUDIBLE]
            ranges.add_movie(traks, kept)
            sizes |= dict.fromkeys((_track_id(out, trak) for trak in kept), 0)
            sizes |= _default_sizes(out, box, sizes.keys())
            _clean(out, box, set(traks) - set(kept))
        elif box.type == b"moof":
            children = list(read_boxes(out, box.body, box.end))
            trafs = {traf: _fragment_id(out, traf) for traf in children if traf.type == b"traf"}
            for traf, track_id in trafs.items():
                if track_id in sizes:
                    ranges.add_fragment(box, traf, sizes[track_id])
            _clean(out, box, {traf for traf, track_id in trafs.items() if track_id not in sizes})
    ranges.blank_others(out, [box for box in boxes if box.type == b"mdat"])


def blank(out: bytearray, box: Box) -> None:
    """Replace a box by one that readers skip."""
    out[box.start + 4 : box.start + 8] = b"free"
    clear(out, box.body, box.end)


def clear(out: bytearray, start: int, end: int) -> None:
    out[start:end] = bytes(max(0, end - start))


def _handler_of(out: bytearray, trak: Box) -> bytes:
    hdlr = find_box(out, (b"mdia", b"hdlr"), trak.body, trak.end)
    return bytes(out[hdlr.body + 8 : hdlr.body + 12]) if hdlr else b""


def _track_id(out: bytearray, trak: Box) -> int:
    tkhd = find_box(out, (b"tkhd",), trak.body, trak.end)
    if tkhd is None:
        raise ValueError("A track has no header")
    return struct.unpack_from(">I", out, tkhd.body + (20 if out[tkhd.body] else 12))[0]


def _fragment_id(out: bytearray, traf: Box) -> int:
    tfhd = find_box(out, (b"tfhd",), traf.body, traf.end)
    return struct.unpack_from(">I", out, tfhd.body + 4)[0] if tfhd else 0


def _default_sizes(out: bytearray, moov: Box, track_ids: Collection[int]) -> dict[int, int]:
    mvex = find_box(out, (b"mvex",), moov.body, moov.end)
    boxes = read_boxes(out, mvex.body, mvex.end) if mvex else ()
    rows = [struct.unpack_from(">5I", out, box.body) for box in boxes if box.type == b"trex"]
    return {track_id: size for _, track_id, _, _, size in rows if track_id in track_ids}


def _clean(out: bytearray, parent: Box, dropped: Collection[Box], handler: bytes = b"") -> None:
    """Keep only the known children of a box. handler: the type of the track that it belongs to."""
    for box in list(read_boxes(out, parent.body, parent.end)):
        if box.type not in _CONTAINERS[parent.type] or box in dropped:
            blank(out, box)
        elif box.type == b"trak":
            _clean(out, box, dropped, _handler_of(out, box))
        elif box.type in _CONTAINERS:
            _clean(out, box, dropped, handler)
        elif box.type == b"stsd":
            for description in read_boxes(out, box.body + 8, box.end):
                _clean_description(out, description, is_visual=handler in _VISUAL)
        else:
            _clean_fields(out, box)


def _clean_fields(out: bytearray, box: Box) -> None:
    """Clear times, names and addresses, and what follows the known fields of a box."""
    version = out[box.body]
    if box.type in _TIMES:
        clear(out, box.body + 4, box.body + (20 if version else 12))
    if box.type in _SIZES:
        clear(out, box.body + _SIZES[box.type][version], box.end)
    elif box.type in _ENTRY_SIZES:
        count = struct.unpack_from(">I", out, box.body + 4)[0]
        clear(out, box.body + 8 + count * _ENTRY_SIZES[box.type][version], box.end)
    elif box.type == b"hdlr":
        clear(out, box.body + 12, box.end)
    elif box.type == b"dref":
        for entry in list(read_boxes(out, box.body + 8, box.end)):
            clear(out, entry.body, entry.end)
            if entry.end - entry.body >= 4:
                out[entry.body + 3] = 1  # the data is in this file


def _clean_description(out: bytearray, description: Box, *, is_visual: bool) -> None:
    """Clear the vendor, the name of the compressor, and boxes that a decoder does not need."""
    clear(out, description.body + 12, min(description.body + 16, description.end))
    if is_visual:
        clear(out, description.body + 42, min(description.body + 74, description.end))
    for box in _decoder_boxes(out, description, (_VISUAL_HEAD,) if is_visual else _AUDIO_HEADS):
        is_profile = box.type == b"colr" and out[box.body : box.body + 4] in (b"prof", b"rICC")
        if box.type not in _DECODER_BOXES or is_profile:
            blank(out, box)
        elif box.type == b"wave":
            _clean(out, box, ())
        elif box.type == b"dfLa":
            clean_blocks(out, box.body + 4, box.end)


def _decoder_boxes(out: bytearray, description: Box, heads: Sequence[int]) -> list[Box]:
    for head in heads:
        try:
            return list(read_boxes(out, description.body + head, description.end))
        except ValueError:
            continue
    raise ValueError("A sample description is malformed")
