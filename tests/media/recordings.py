"""Audio and video files of a few hundred bytes, with private data wherever their type has room."""

import struct
from collections.abc import Sequence

SECRET = b"+21.0285+105.8542-secret"
PICTURE, SOUND = b"the compressed pixels", b"the compressed sounds"


# --- MP4 ------------------------------------------------------------------------------------


def box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full_box(kind: bytes, *contents: bytes, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", flags), *contents)


def numbers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def track(
    track_id: int, handler: bytes, offsets: Sequence[int], sizes: Sequence[int], *extra: bytes
) -> bytes:
    """Return a track whose samples are at these offsets of the file, each in a chunk."""
    if handler == b"vide":
        head = bytes(8) + b"made" + bytes(22) + SECRET.ljust(32)[:32] + bytes(4)
        description = box(b"avc1", bytes(8), head, box(b"avcC", b"decoder"), box(b"note", SECRET))
        media_head = full_box(b"vmhd", bytes(8), flags=1)
    else:
        description = box(b"mp4a", bytes(28), full_box(b"esds", b"decoder"), box(b"note", SECRET))
        media_head = full_box(b"smhd", bytes(4))
    table = box(
        b"stbl",
        full_box(b"stsd", numbers(1), description),
        full_box(b"stts", numbers(1, len(sizes), 1), SECRET),
        full_box(b"stsc", numbers(1, 1, 1, 1) if sizes else numbers(0)),
        full_box(b"stsz", numbers(0, len(sizes), *sizes)),
        full_box(b"stco", numbers(len(offsets), *offsets)),
        box(b"udta", SECRET),
    )
    data = full_box(b"dref", numbers(1), full_box(b"url ", SECRET, flags=0))
    times = numbers(3_000_000_001, 3_000_000_002)
    return box(
        b"trak",
        full_box(b"tkhd", times, numbers(track_id), bytes(68), flags=3),
        box(
            b"mdia",
            full_box(b"mdhd", times, numbers(1000, 10), bytes(4)),
            full_box(b"hdlr", bytes(4), handler, bytes(12), SECRET, b"\0"),
            box(b"minf", media_head, box(b"dinf", data), table),
        ),
        box(b"udta", box(b"name", SECRET)),
        box(b"uuid", bytes(16), SECRET),
        *extra,
    )


def movie_box(*tracks: bytes) -> bytes:
    place = box(b"\xa9xyz", struct.pack(">HH", len(SECRET), 0x15C7), SECRET)
    keys = full_box(b"keys", numbers(1), box(b"mdta", b"com.apple.quicktime.location.ISO6709"))
    values = box(b"ilst", box(b"\0\0\0\1", box(b"data", numbers(1, 0), SECRET)))
    times = numbers(3_000_000_001, 3_000_000_002)
    return box(
        b"moov",
        full_box(b"mvhd", times, numbers(1000, 10), bytes(80)),
        *tracks,
        box(b"udta", place, full_box(b"meta", values)),
        box(b"meta", full_box(b"hdlr", bytes(4), b"mdta", bytes(13)), keys, values),
        box(b"uuid", bytes(16), b"<x:xmpmeta>", SECRET),
    )


def mp4(metadata_handler: bytes = b"meta", brand: bytes = b"isom") -> bytes:
    """Return a movie with video, audio and a track of places (GoPro, DJI), and data of no track."""
    head = box(b"ftyp", brand, numbers(512), brand) + box(b"free", SECRET)
    samples = [PICTURE, SECRET, SOUND, SECRET, PICTURE[:9]]
    offsets, at = [], len(head) + 8
    for sample in samples:
        offsets.append(at)
        at += len(sample)
    video = track(1, b"vide", [offsets[0], offsets[4]], [len(PICTURE), 9])
    audio = track(2, b"soun", [offsets[2]], [len(SOUND)], box(b"tref", box(b"cdsc", SECRET[:4])))
    places = track(3, metadata_handler, [offsets[1]], [len(SECRET)])
    movie = movie_box(video, audio, places)
    return head + box(b"mdat", *samples) + movie + box(b"mpvd", SECRET) + SECRET


def fragmented_mp4() -> bytes:
    """Return what browsers and screens record: each fragment brings its own index."""
    head = box(b"ftyp", b"iso5", numbers(512), b"iso5isom")
    video, places = track(1, b"vide", [], []), track(2, b"meta", [], [])
    defaults = box(b"mvex", *(full_box(b"trex", numbers(n, 1, 0, 0, 0)) for n in (1, 2)))
    head += movie_box(video, places, defaults)

    def fragment(offsets: tuple[int, int]) -> bytes:
        runs = ((1, PICTURE, offsets[0]), (2, SECRET, offsets[1]))
        trafs = [
            box(
                b"traf",
                full_box(b"tfhd", numbers(number), flags=0x020000),
                full_box(b"trun", numbers(1, offset, 10, len(data)), flags=0x301),
                box(b"udta", SECRET),
            )
            for number, data, offset in runs
        ]
        return box(b"moof", full_box(b"mfhd", numbers(1)), *trafs)

    start = len(fragment((0, 0))) + 8
    moof = fragment((start, start + len(PICTURE)))
    return head + moof + box(b"mdat", PICTURE, SECRET) + box(b"emsg", SECRET)


# --- Matroska -------------------------------------------------------------------------------


def element(element_id: str, *contents: bytes, unknown_size: bool = False) -> bytes:
    content = b"".join(contents)
    size = (1 << 56) - 1 if unknown_size else len(content)
    return bytes.fromhex(element_id) + (1 << 56 | size).to_bytes(8, "big") + content


def webm(*, live: bool = False, doc_type: bytes = b"webm", codec: bytes = b"A_VORBIS") -> bytes:
    """Return a recording with tags. live: as browsers record it, without sizes."""
    info = element(
        "1549A966",
        *(element("2AD7B1", b"\x0f\x42\x40"), element("7BA9", SECRET), element("4461", SECRET[:8])),
        *(element("4D80", SECRET), element("5741", SECRET), element("7384", SECRET)),
    )
    comments = b"\x03vorbis" + vorbis_comments() + b"\1"
    private = b"fLaC" + flac_block(0, bytes(34)) + flac_block(0x84, vorbis_comments())
    if codec == b"A_VORBIS":
        private = b"\2" + bytes([7, len(comments)]) + b"\1vorbis" + comments + b"\5vorbis"
    audio = element("E1", element("B5", b"\0"), element("53AC", SECRET))
    tracks = element(
        "1654AE6B",
        *(
            element("AE", element("D7", bytes([number])), element("83", bytes([kind])), *more)
            for number, kind, more in (
                (1, 1, [element("86", b"V_VP9"), element("536E", SECRET)]),
                (2, 2, [element("86", codec), element("63A2", private), audio]),
                (3, 0x11, [element("86", b"S_TEXT/UTF8"), element("536E", SECRET)]),
            )
        ),
    )
    cluster = element(
        "1F43B675",
        element("E7", b"\0"),
        element("A3", b"\x81\0\0\x80" + PICTURE),
        element("A3", b"\x83\0\0\x80" + SECRET),
        element("A0", element("A1", b"\x82\0\0\0" + SOUND), element("A6", SECRET)),
        element("A0", element("A1", b"\x83\0\0\0" + SECRET), element("9B", b"\1")),
        unknown_size=live,
    )
    tags = element("1254C367", element("7373", element("67C8", element("4487", SECRET))))
    attachment = element("1941A469", element("61A7", element("465C", SECRET)))
    chapters = element("1043A770", element("45B9", SECRET))
    parts = (info, element("EC", SECRET), tracks, cluster, tags, attachment, chapters)
    head = element("1A45DFA3", b"\x42\x86\x81\1\x42\x82", bytes([0x80 | len(doc_type)]), doc_type)
    return head + element("18538067", *parts, unknown_size=live) + b"\0\0"


# --- Ogg, FLAC and others -------------------------------------------------------------------


def vorbis_comments() -> bytes:
    comment = b"LOCATION=" + SECRET
    head = struct.pack("<I", len(SECRET)) + SECRET
    return head + struct.pack("<II", 1, len(comment)) + comment


def ogg_checksum(page: bytes) -> int:
    """Return the CRC bit by bit, as RFC 3533 describes it."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
        value &= 0xFFFFFFFF
    return value


def ogg_page(serial: int, number: int, lacing: bytes, content: bytes, flags: int = 0) -> bytes:
    head = b"OggS\0" + bytes([flags]) + struct.pack("<qII", 0, serial, number)
    page = head + bytes(4) + bytes([len(lacing)]) + lacing + content
    return page[:22] + struct.pack("<I", ogg_checksum(page)) + page[26:]


def ogg(first: bytes = b"OpusHead", head: bytes = b"OpusTags", end: bytes = b"") -> bytes:
    """Return a stream whose comments go over two pages, and another one of an unknown kind."""
    comments = (head + vorbis_comments() + end).ljust(300 if not end else 0, b" ")
    cut = len(comments) // 255 * 255 or len(comments)
    pages = [ogg_page(7, 0, bytes([len(first)]), first, flags=2)]
    pages.append(ogg_page(9, 0, bytes([len(SECRET)]), SECRET, flags=2))
    if cut == len(comments):
        pages.append(ogg_page(7, 1, bytes([cut]), comments))
    else:
        pages.append(ogg_page(7, 1, b"\xff" * (cut // 255), comments[:cut]))
        pages.append(ogg_page(7, 2, bytes([len(comments) - cut]), comments[cut:], flags=1))
    pages.append(ogg_page(7, 3, bytes([len(SOUND)]), SOUND))
    pages.append(ogg_page(9, 1, bytes([len(SECRET)]), SECRET))
    return b"".join(pages) + SECRET


def flac_block(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(3, "big") + content


def flac() -> bytes:
    blocks = flac_block(0, bytes(34)) + flac_block(4, vorbis_comments()) + flac_block(2, SECRET)
    blocks += flac_block(6, SECRET) + flac_block(0x81, SECRET)
    return b"fLaC" + blocks + b"\xff\xf8" + SOUND + b"TAG" + SECRET.ljust(125)


def mp3() -> bytes:
    frame = b"\xff\xfb\x10\xc4" + SOUND.ljust(100, b".")  # 32 kbit/s at 44,100 Hz
    tag = b"TIT2" + numbers(len(SECRET) + 1) + bytes(3) + SECRET
    head = b"ID3\3\0\0" + bytes([0, 0, 0, len(tag)]) + tag
    return head + 4 * frame + b"APETAGEX" + SECRET + b"TAG" + SECRET.ljust(125)


def aac() -> bytes:
    size = 7 + len(SOUND)
    head = b"\xff\xf1\x50" + bytes([0x80, size >> 3, (size & 7) << 5 | 0x1F, 0xFC])
    return 5 * (head + SOUND) + SECRET


def amr() -> bytes:
    return b"#!AMR\n" + 3 * (b"\x3c" + SOUND.ljust(31, b".")) + b"\xff" + SECRET


def chunk(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def wav() -> bytes:
    info = chunk(b"LIST", b"INFO", chunk(b"IART", SECRET))
    parts = [chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)), chunk(b"bext", SECRET)]
    parts += [chunk(b"data", SOUND), info, chunk(b"iXML", SECRET), chunk(b"id3 ", SECRET)]
    return chunk(b"RIFF", b"WAVE", *parts) + SECRET


def avi() -> bytes:
    stream = chunk(b"LIST", b"strl", chunk(b"strh", b"vids"), chunk(b"strn", SECRET))
    head = chunk(b"LIST", b"hdrl", chunk(b"avih", bytes(56)), stream, chunk(b"IDIT", SECRET))
    media = [chunk(b"00dc", PICTURE), chunk(b"01tx", SECRET), chunk(b"JUNK", SECRET)]
    media.append(chunk(b"LIST", b"rec ", chunk(b"01wb", SOUND), chunk(b"02tx", SECRET)))
    parts = [head, chunk(b"LIST", b"movi", *media), chunk(b"LIST", b"INFO", SECRET)]
    return chunk(b"RIFF", b"AVI ", *parts)


RECORDINGS = {
    "mp4": ("mp4", mp4()),
    "subtitles": ("mp4", mp4(b"text")),
    "fragments": ("mp4", fragmented_mp4()),
    "mov": ("mov", mp4(b"camm", b"qt  ")),
    "m4a": ("m4a", mp4(b"meta", b"M4A ")),
    "webm": ("webm", webm()),
    "live webm": ("webm", webm(live=True)),
    "mkv": ("mkv", webm(doc_type=b"matroska", codec=b"A_FLAC")),
    "opus": ("ogg", ogg()),
    "vorbis": ("ogg", ogg(b"\x01vorbis", b"\x03vorbis", b"\1")),
    "flac in ogg": ("ogg", ogg(b"\x7fFLAC", b"\x84\0\0\x50")),
    "flac": ("flac", flac()),
    "mp3": ("mp3", mp3()),
    "aac": ("aac", aac()),
    "amr": ("amr", amr()),
    "wav": ("wav", wav()),
    "avi": ("avi", avi()),
}
