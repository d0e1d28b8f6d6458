"""Private metadata is removed, the picture stays the same.

The bytes are built by hand, to test nothing but the stripping.
"""

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from media.metadata import strip_metadata
from tests.properties import examples

SECRET = b"52.3702N-secret"
PROFILE = b"colour profile " * 20
SIZE = (24, 16)


def scene() -> Image.Image:
    ramp = Image.linear_gradient("L").resize(SIZE)
    return Image.merge("RGB", [ramp, ramp.rotate(180), Image.new("L", SIZE, 90)])


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def pixels(data: bytes) -> list[np.ndarray]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Image appears to be a malformed MPO file")
        image = Image.open(io.BytesIO(data))
        return [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]


def same_pixels(one: bytes, other: bytes) -> bool:
    frames, others = pixels(one), pixels(other)
    return len(frames) == len(others) and all(
        np.array_equal(a, b) for a, b in zip(frames, others, strict=True)
    )


# --- JPEG -----------------------------------------------------------------------------------


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def jpeg_with(*segments: bytes, **options: object) -> bytes:
    data = encoded(scene(), "JPEG", **options)
    return data[:2] + b"".join(segments) + data[2:]


PRIVATE_JPEG = {
    "EXIF": jpeg_segment(0xE1, b"Exif\0\0" + SECRET),
    "XMP": jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET),
    "IPTC": jpeg_segment(0xED, b"Photoshop 3.0\0" + SECRET),
    "a comment": jpeg_segment(0xFE, SECRET),
    "other pictures": jpeg_segment(0xE2, b"MPF\0" + SECRET),
    "a JFIF thumbnail": jpeg_segment(0xE0, b"JFXX\0" + SECRET),
    "content credentials": jpeg_segment(0xEB, b"JP" + SECRET),
}


@pytest.mark.parametrize("name", PRIVATE_JPEG)
def test_a_jpeg_loses_what_describes_it_and_no_pixel(name: str) -> None:
    data = jpeg_with(PRIVATE_JPEG[name])
    stripped = strip_metadata(data, "JPEG")
    assert SECRET in data
    assert SECRET not in stripped
    assert stripped == strip_metadata(encoded(scene(), "JPEG"), "JPEG")
    assert same_pixels(stripped, data)


def test_a_jpeg_keeps_its_colour_profile() -> None:
    data = jpeg_with(PRIVATE_JPEG["EXIF"], icc_profile=PROFILE)
    stripped = strip_metadata(data, "JPEG")
    assert Image.open(io.BytesIO(stripped)).info["icc_profile"] == PROFILE


def test_a_progressive_jpeg_keeps_every_scan() -> None:
    data = jpeg_with(PRIVATE_JPEG["EXIF"], progressive=True)
    assert data.count(b"\xff\xda") > 3
    stripped = strip_metadata(data, "JPEG")
    assert stripped.count(b"\xff\xda") == data.count(b"\xff\xda")
    assert Image.open(io.BytesIO(stripped)).info["progressive"]
    assert same_pixels(stripped, data)


def test_metadata_between_the_scans_of_a_jpeg_goes_too() -> None:
    data = encoded(scene(), "JPEG", progressive=True)
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    last_marker = data.rindex(b"\xff\xc4", 0, second)
    data = data[:last_marker] + PRIVATE_JPEG["a comment"] + data[last_marker:]
    stripped = strip_metadata(data, "JPEG")
    assert SECRET not in stripped
    assert same_pixels(stripped, data)


def test_a_cmyk_jpeg_keeps_the_segment_that_tells_its_colours() -> None:
    data = encoded(scene().convert("CMYK"), "JPEG")
    stripped = strip_metadata(data, "JPEG")
    assert b"Adobe" in stripped
    assert same_pixels(stripped, data)


def test_a_jpeg_with_restart_markers_and_fill_bytes_is_followed() -> None:
    data = encoded(scene(), "JPEG", restart_marker_blocks=1)
    assert b"\xff\xd0" in data
    data = data[:2] + b"\xff\xff\xff" + PRIVATE_JPEG["EXIF"] + data[2:]
    stripped = strip_metadata(data, "JPEG")
    assert SECRET not in stripped
    assert same_pixels(stripped, data)


# --- PNG ------------------------------------------------------------------------------------


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", crc(kind, payload))


def crc(kind: bytes, payload: bytes) -> int:
    return zlib.crc32(kind + payload)


def png_with(chunk: bytes, **options: object) -> bytes:
    data = encoded(scene(), "PNG", **options)
    return data[:33] + chunk + data[33:]  # behind IHDR


PRIVATE_PNG = {
    "EXIF": png_chunk(b"eXIf", b"II*\0" + SECRET),
    "text": png_chunk(b"tEXt", b"Comment\0" + SECRET),
    "international text": png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SECRET),
    "compressed text": png_chunk(b"zTXt", b"Comment\0\0" + SECRET),
    "the time of the last change": png_chunk(b"tIME", SECRET[:7]),
    "a chunk that nobody knows": png_chunk(b"geOt", SECRET),
    "content credentials": png_chunk(b"caBX", SECRET),
}


@pytest.mark.parametrize("name", PRIVATE_PNG)
def test_a_png_loses_what_describes_it_and_no_pixel(name: str) -> None:
    data = png_with(PRIVATE_PNG[name])
    stripped = strip_metadata(data, "PNG")
    assert SECRET[:7] in data
    assert SECRET[:7] not in stripped
    assert stripped == encoded(scene(), "PNG")


def test_a_png_keeps_profile_gamma_density_and_transparency() -> None:
    gamma = png_chunk(b"gAMA", struct.pack(">I", 45_455))
    data = png_with(gamma, icc_profile=PROFILE, dpi=(300, 300), transparency=(1, 2, 3))
    stripped = strip_metadata(data, "PNG")
    assert stripped == data
    info = Image.open(io.BytesIO(stripped)).info
    assert info["icc_profile"] == PROFILE
    assert info["gamma"] == pytest.approx(0.45455)
    assert info["transparency"] == (1, 2, 3)


def test_an_animated_png_stays_animated() -> None:
    frames = [scene(), scene().rotate(90), scene().rotate(180)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    stripped = strip_metadata(data, "PNG")
    assert len(pixels(stripped)) == 3
    assert same_pixels(stripped, data)


# --- WebP -----------------------------------------------------------------------------------


def test_a_webp_loses_exif_and_xmp_and_their_flags() -> None:
    plain = encoded(scene(), "WEBP", lossless=True, icc_profile=PROFILE)
    data = encoded(
        scene(),
        "WEBP",
        lossless=True,
        icc_profile=PROFILE,
        exif=b"Exif\0\0II*\0" + SECRET,
        xmp=b"<x>" + SECRET,
    )
    assert data.count(SECRET) == 2
    stripped = strip_metadata(data, "WEBP")
    assert stripped == plain
    assert Image.open(io.BytesIO(stripped)).info["icc_profile"] == PROFILE


def test_a_webp_loses_unknown_chunks() -> None:
    plain = encoded(scene(), "WEBP", lossless=True)
    body = plain[8:] + struct.pack("<4sI", b"GEOT", len(SECRET)) + SECRET + b"\0"
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    assert strip_metadata(data, "WEBP") == plain


def test_an_animated_webp_stays_animated() -> None:
    frames = [scene(), scene().rotate(90), scene().rotate(180)]
    data = encoded(
        frames[0],
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        lossless=True,
        xmp=b"<x>" + SECRET,
    )
    stripped = strip_metadata(data, "WEBP")
    assert SECRET not in stripped
    assert len(pixels(stripped)) == 3
    assert same_pixels(stripped, data)


# --- GIF ------------------------------------------------------------------------------------


def test_an_animated_gif_loses_comments_and_application_data_and_stays_animated() -> None:
    frames = [scene(), scene().rotate(90), scene().rotate(180)]
    data = encoded(
        frames[0],
        "GIF",
        save_all=True,
        append_images=frames[1:],
        loop=0,
        duration=[40, 80, 120],
        comment=SECRET,
    )
    xmp = b"\x21\xff\x0bXMP DataXMP" + bytes([len(SECRET)]) + SECRET + b"\0"
    data = data[:-1] + xmp + b"\x3b"
    assert data.count(SECRET) >= 2
    stripped = strip_metadata(data, "GIF")
    assert SECRET not in stripped
    assert same_pixels(stripped, data)
    image = Image.open(io.BytesIO(stripped))
    assert image.info["loop"] == 0
    assert [frame.info["duration"] for frame in ImageSequence.Iterator(image)] == [40, 80, 120]


# --- Every format ---------------------------------------------------------------------------


def samples() -> Iterator[tuple[str, bytes]]:
    frames = {"save_all": True, "append_images": [scene().rotate(90)]}
    yield "JPEG", jpeg_with(PRIVATE_JPEG["EXIF"], icc_profile=PROFILE)
    yield "JPEG", jpeg_with(PRIVATE_JPEG["XMP"], progressive=True)
    yield "PNG", png_with(PRIVATE_PNG["text"], icc_profile=PROFILE)
    yield "PNG", encoded(scene().quantize(8), "PNG", transparency=2)
    yield "WEBP", encoded(scene(), "WEBP", lossless=True, xmp=b"<x>")
    yield "WEBP", encoded(scene(), "WEBP", **frames)
    yield "GIF", encoded(scene(), "GIF", comment=SECRET, **frames)


SAMPLES = list(samples())
IDS = [f"{name}-{number}" for number, (name, _) in enumerate(SAMPLES)]


@pytest.mark.parametrize(("image_format", "data"), SAMPLES, ids=IDS)
def test_whatever_follows_the_picture_is_cut_off(image_format: str, data: bytes) -> None:
    archive = b"PK\x03\x04 a zip archive <script>alert(1)</script> PK\x05\x06"
    stripped = strip_metadata(data + archive, image_format)
    assert b"PK" not in stripped
    assert b"script" not in stripped
    assert stripped == strip_metadata(data, image_format)


@pytest.mark.parametrize(("image_format", "data"), SAMPLES, ids=IDS)
def test_stripping_twice_changes_nothing_more(image_format: str, data: bytes) -> None:
    once = strip_metadata(data, image_format)
    assert strip_metadata(once, image_format) == once


@pytest.mark.parametrize(("image_format", "data"), SAMPLES, ids=IDS)
def test_a_file_that_ends_early_is_a_value_error_or_still_no_secret(
    image_format: str, data: bytes
) -> None:
    for length in range(len(data)):
        try:
            stripped = strip_metadata(data[:length], image_format)
        except ValueError:
            continue
        assert SECRET not in stripped


@examples(150)
@given(
    sample=st.sampled_from(SAMPLES),
    changes=st.lists(st.tuples(st.integers(0, 5_000), st.binary(max_size=6)), max_size=8),
)
def test_corrupted_files_raise_nothing_but_value_errors(
    sample: tuple[str, bytes], changes: list[tuple[int, bytes]]
) -> None:
    image_format, data = sample
    for at, replacement in changes:
        at %= len(data)
        data = data[:at] + replacement + data[at + 3 :] or b"\xff"
    with contextlib.suppress(ValueError):
        strip_metadata(data, image_format)


@examples(100)
@given(image_format=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF"]), data=st.binary())
def test_random_bytes_raise_nothing_but_value_errors(image_format: str, data: bytes) -> None:
    with contextlib.suppress(ValueError):
        strip_metadata(data, image_format)
