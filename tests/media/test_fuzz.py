"""Mutated files of all formats: an accepted picture or a clear refusal, and no private metadata.

`make fuzz` tries other mutations for minutes. Each mutation follows from a number, which a failure
shows; SMIMSO_FUZZ_FIRST and SMIMSO_FUZZ_COUNT choose the numbers.
"""

import io
import os
import random
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from media.decoder_pool import DecoderPool
from media.limits import MEGABYTE, Limits, RefusedImage
from media.preparation import CheckedImage, prepare
from tests.media.samples import FORMATS, encoded, png_chunk, sample, scene, turned_heic

FIRST = int(os.environ.get("SMIMSO_FUZZ_FIRST", "0"))
COUNT = int(os.environ.get("SMIMSO_FUZZ_COUNT", "1200"))
BATCH = 100
MAX_SECONDS = 2.0  # of a core
MAX_MEMORY = 300 * MEGABYTE  # above the idle process
LIMITS = Limits(120_000_000, {"thumbnail": 480, "preview": 1080})
REFUSALS = {"image_unreadable", "image_too_large", "image_too_complex", "animation_too_long"}
# Planted into every file: device, place, description, and a text in the thumbnail.
MARKERS = [b"SecretPhone-X9", b"Hanoi-21.0285N", b"secret-description", b"secret-thumbnail"]
PHONE, PLACE, TEXT, THUMBNAIL = MARKERS


def exif(orientation: int = 1) -> Image.Exif:
    """Return EXIF data with the device, the place and an orientation."""
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x010F] = PHONE.decode()
    data[0x010E] = TEXT.decode()
    place = data.get_ifd(0x8825)
    place[1], place[2], place[0x1B] = "N", (21.0, 1.0, 42.6), PLACE
    return data


def thumbnail() -> bytes:
    return encoded(scene((16, 10)), "JPEG", comment=THUMBNAIL)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg(image: Image.Image, **options: object) -> bytes:
    data = encoded(image, "JPEG", comment=TEXT, **{"exif": exif(), **options})
    extra = segment(0xED, b"Photoshop 3.0\0" + PLACE) + segment(0xE2, b"MPF\0" + thumbnail())
    jfxx = segment(0xE0, b"JFXX\0\x10" + thumbnail())
    at = 4 + int.from_bytes(data[4:6], "big")  # behind the first segment
    return data[:at] + jfxx + extra + data[at:]


def png(image: Image.Image, **options: object) -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Location", PLACE.decode())
    texts.add_itxt("Description", TEXT.decode())
    data = encoded(image, "PNG", pnginfo=texts, exif=exif(), **options)
    return data[:-12] + png_chunk(b"prVt", thumbnail()) + data[-12:]


def animation(image_format: str, **options: object) -> bytes:
    frames = [scene().rotate(90 * n) for n in range(1, 4)]
    return encoded(scene(), image_format, save_all=True, append_images=frames, **options)


XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + PLACE + b"</x:xmpmeta>"
SEEDS: list[bytes] = [
    jpeg(scene()),
    jpeg(scene(), exif=exif(6)),
    jpeg(scene((300, 200)), progressive=True),
    jpeg(scene().convert("CMYK")),
    jpeg(scene().convert("L")),
    encoded(scene(), "MPO", save_all=True, append_images=[scene()], exif=exif()),
    png(scene()),
    png(scene().quantize(8), transparency=2),
    png(scene().convert("L").convert("I;16")),
    png(scene().convert("LA")),
    animation("PNG", exif=exif()),
    encoded(scene(), "WEBP", exif=exif(8), xmp=XMP),
    encoded(scene(), "WEBP", lossless=True, exif=exif(), xmp=XMP),
    animation("WEBP", exif=exif(), xmp=XMP),
    encoded(scene(), "GIF", comment=TEXT),
    animation("GIF", comment=TEXT, duration=40),
    encoded(scene(), "HEIF", exif=exif().tobytes(), xmp=XMP),
    turned_heic(),
    encoded(scene(), "AVIF", exif=exif(), xmp=XMP, speed=10),
    animation("AVIF", exif=exif(), speed=10),
    encoded(scene(), "BMP") + TEXT,
    encoded(scene(), "TIFF", exif=exif(), description=TEXT.decode()),
    encoded(scene(), "TIFF", compression="tiff_lzw", exif=exif()),
    encoded(scene(), "TIFF", compression="jpeg", description=TEXT.decode()),
    *(sample(name) for name in FORMATS),
]


def cut(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data)) if chance.random() < 0.5 else len(data) - chance.randrange(40)
    return data[:at]


def insert(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + chance.randbytes(chance.choice([1, 2, 4, 30, 3000])) + data[at:]


def flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice([1, 2, 10])):
        changed[chance.randrange(min(len(data), chance.choice([64, 600, len(data)])))] ^= (
            1 << chance.randrange(8)
        )
    return bytes(changed)


def enlarge(data: bytes, chance: random.Random) -> bytes:
    """Replace a number, which may be a size, a count or an offset, by an extreme one."""
    at = chance.randrange(min(len(data), 400))
    number = chance.choice([b"\0\0", b"\xff\xff", b"\x7f\xff\xff\xff", b"\x20\0", b"\0\0\x20\0"])
    return data[:at] + number + data[at + len(number) :]


def remove(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.choice([1, 2, 12, 100]) :]


def segments(data: bytes) -> list[bytes]:
    """Split a file before each marker of a JPEG, or before each name of a chunk or box."""
    if data[:2] == b"\xff\xd8":
        starts = [n for n in range(len(data) - 1) if data[n] == 255 and data[n + 1] not in (0, 255)]
    else:
        back = 4 if data[:4] in (b"\x89PNG", b"\0\0\0\x1c", b"\0\0\0\x20") else 0
        starts = [n - back for n in range(4, len(data) - 4) if data[n : n + 4].isalnum()]
    starts = sorted({0, *starts})
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


def repeat(data: bytes, chance: random.Random) -> bytes:
    parts = segments(data)
    at = chance.randrange(len(parts))
    return b"".join([*parts[:at], *[parts[at]] * chance.choice([2, 3, 500]), *parts[at:]])


def swap(data: bytes, chance: random.Random) -> bytes:
    parts = segments(data)
    one, other = chance.randrange(len(parts)), chance.randrange(len(parts))
    parts[one], parts[other] = parts[other], parts[one]
    return b"".join(parts)


def splice(data: bytes, chance: random.Random) -> bytes:
    """Continue with another file, one without markers: a text amid pixels is data of a picture."""
    other = sample(chance.choice(FORMATS))
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [
    *(cut, insert, flip, enlarge, remove, repeat, swap, splice),
]


def mutated(number: int) -> bytes:
    chance = random.Random(number)
    data = chance.choice(SEEDS)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        data = chance.choice(MUTATIONS)(data or b"\0", chance)
    return data


def memory(name: str) -> int:
    """Return bytes: VmRSS (now) or VmHWM (at most since the last reset)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


def try_numbers(numbers: range) -> list[str]:
    """Prepare the mutated files in a decoding process; return a line for each failure."""
    failures = []
    prepare(sample("PNG"), LIMITS)
    idle = memory("VmRSS")
    for number in numbers:
        data = mutated(number)
        Path("/proc/self/clear_refs").write_text("5")
        started = time.process_time()
        try:
            problems = problems_of(prepare(data, LIMITS), data)
        except RefusedImage as error:
            problems = [] if error.code in REFUSALS else [f"the code {error.code}"]
        except Exception as error:
            problems = [repr(error)]
        if (seconds := time.process_time() - started) > MAX_SECONDS:
            problems.append(f"{seconds:.1f} s")
        if (peak := memory("VmHWM") - idle) > MAX_MEMORY:
            problems.append(f"{peak // MEGABYTE} MB")
        failures += [f"mutation {number}: {problem}" for problem in problems]
    return failures


def problems_of(image: CheckedImage, data: bytes) -> list[str]:
    """Return what is wrong with an accepted picture."""
    problems = []
    stored = {"picture": image.data, **image.renditions}
    if image.original is not None:
        stored["original"] = image.original
    for name, file in stored.items():
        found = [marker.decode() for marker in MARKERS if marker in file]
        problems += [f"{marker} in the {name}" for marker in found]
    for name, file in stored.items():
        if name != "original":
            opened = Image.open(io.BytesIO(file))
            opened.load()
            if opened.getexif() or {"comment", "xmp", "exif"} & opened.info.keys():
                problems.append(f"metadata in the {name}")
    if image.width < 1 or image.height < 1:
        problems.append("no size")
    return problems


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(2)
    yield pool
    pool.stop()


def test_the_files_hold_what_must_not_be_stored() -> None:
    planted = b"".join(SEEDS)
    assert all(marker in planted for marker in MARKERS)


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_every_file_is_accepted_before_it_is_mutated(number: int) -> None:
    assert problems_of(prepare(SEEDS[number], LIMITS), SEEDS[number]) == []


def test_a_mutated_file_is_a_picture_or_refused(pool: DecoderPool) -> None:
    for start in range(FIRST, FIRST + COUNT, BATCH):
        numbers = range(start, min(start + BATCH, FIRST + COUNT))
        (failures,) = pool.map("fuzz", try_numbers, [(numbers,)])
        assert failures.result(600) == []
