"""Private metadata is removed, the picture stays the same.

The bytes are built by hand, to test nothing but the stripping.
"""

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageSequence

from media.icc import reduce_profile
from media.metadata import strip_metadata
from tests.media.profiles import cmyk_profile, gray_profile, profile, rgb_profile
from tests.properties import examples

SECRET = b"52.3702N-secret"
PROFILE = rgb_profile()
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


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("make", [rgb_profile, gray_profile, cmyk_profile])
def test_a_colour_profile_keeps_its_colours_and_loses_its_texts(
    image_format: str, make: Callable[..., bytes]
) -> None:
    arguments = (1.8,) if make is gray_profile else ()
    data = encoded(scene(), image_format, icc_profile=make(*arguments, secret=SECRET))
    stripped = strip_metadata(data, image_format)
    assert SECRET not in stripped
    profile = Image.open(io.BytesIO(stripped)).info["icc_profile"]
    assert profile == reduce_profile(make(*arguments))
    assert SECRET not in profile
    assert b"monitor" not in profile
    ImageCms.getOpenProfile(io.BytesIO(profile))


@pytest.mark.parametrize(
    "segments",
    [
        [b"ICC_PROFILE\0\1\1" + SECRET],
        [b"ICC_PROFILE\0" + SECRET],
        [b"ICC_PROFILE\0\1\2" + PROFILE + SECRET],
        [b"ICC_PROFILE\0\1\1" + PROFILE, b"ICC_PROFILE\0\1\1" + SECRET],
    ],
)
def test_what_only_claims_to_be_a_colour_profile_goes(segments: list[bytes]) -> None:
    data = jpeg_with(*(jpeg_segment(0xE2, segment) for segment in segments))
    assert strip_metadata(data, "JPEG") == strip_metadata(encoded(scene(), "JPEG"), "JPEG")


def test_a_long_colour_profile_is_joined_from_its_segments_in_any_order() -> None:
    curve = b"curv\0\0\0\0" + struct.pack(">I", 60_000) + np.arange(60_000, dtype=">u2").tobytes()
    long = reduce_profile(profile(b"mntrGRAYXYZ ", {b"kTRC": curve}))
    parts = [long[at : at + 50_000] for at in range(0, len(long), 50_000)]
    segments = [
        jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes([number, len(parts)]) + part)
        for number, part in enumerate(parts, 1)
    ]
    stripped = strip_metadata(jpeg_with(*reversed(segments)), "JPEG")
    assert Image.open(io.BytesIO(stripped)).info["icc_profile"] == long


JFIF_THUMBNAIL = b"JFIF\0\1\1\0\0\1\0\1\x08\x02" + 4 * SECRET[:12]


@pytest.mark.parametrize(
    ("marker", "payload"),
    [
        (0xE0, JFIF_THUMBNAIL),
        (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0" + SECRET),
        (0xE0, b"JFIF\0" + SECRET[:3]),
        (0xDC, b"\0\x10" + SECRET),
    ],
)
def test_jpeg_segments_are_rebuilt_from_their_known_fields(marker: int, payload: bytes) -> None:
    data = encoded(scene(), "JPEG")
    size = 2 + struct.unpack_from(">H", data, 4)[0]
    data = data[:2] + jpeg_segment(marker, payload) + data[2 + size :]
    stripped = strip_metadata(data, "JPEG")
    assert SECRET[:3] not in stripped
    assert same_pixels(stripped, data)
    assert strip_metadata(stripped, "JPEG") == stripped


def test_text_behind_the_adobe_marker_goes_and_the_colours_stay() -> None:
    data = encoded(scene().convert("CMYK"), "JPEG")
    at = data.index(b"\xff\xee")
    data = data[:at] + jpeg_segment(0xEE, data[at + 4 : at + 16] + SECRET) + data[at + 16 :]
    stripped = strip_metadata(data, "JPEG")
    assert SECRET not in stripped
    assert same_pixels(stripped, data)


def test_bytes_between_the_segments_of_a_jpeg_go() -> None:
    plain = strip_metadata(encoded(scene(), "JPEG"), "JPEG")
    data = plain[:20] + b"\0" + SECRET + plain[20:]
    assert strip_metadata(data, "JPEG") == plain


def test_a_second_scan_of_the_same_colours_goes() -> None:
    """Decoders stop when they have all rows; the rest could hold another picture."""
    plain = strip_metadata(encoded(scene(), "JPEG"), "JPEG")
    scan = plain.index(b"\xff\xda")
    data = plain[:-2] + plain[scan : scan + 14] + SECRET + b"\xff\xd9"
    assert strip_metadata(data, "JPEG") == plain


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
    info = Image.open(io.BytesIO(strip_metadata(data, "PNG"))).info
    assert info["icc_profile"] == reduce_profile(PROFILE)
    assert info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert info["gamma"] == pytest.approx(0.45455)
    assert info["transparency"] == (1, 2, 3)


@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"gAMA", struct.pack(">I", 45_455) + SECRET),
        png_chunk(b"sPLT", SECRET + b"\0\x08"),
        png_chunk(b"hIST", SECRET + b"!"),
        png_chunk(b"bKGD", SECRET[:6]),
        png_chunk(b"PLTE", SECRET * 3),
        png_chunk(b"iCCP", SECRET + b"\0\0" + zlib.compress(b"no profile")),
        png_chunk(b"CgBI", SECRET),
    ],
)
def test_png_chunks_are_rebuilt_from_their_known_fields(chunk: bytes) -> None:
    stripped = strip_metadata(png_with(chunk), "PNG")
    assert stripped == encoded(scene(), "PNG")


def test_text_behind_the_transparency_and_in_checksums_goes() -> None:
    data = encoded(scene(), "PNG", transparency=(1, 2, 3))
    at = data.index(b"tRNS") - 4
    data = data[:at] + png_chunk(b"tRNS", data[at + 8 : at + 14] + SECRET) + data[at + 18 :]
    data = data[:-4] + SECRET[:4]
    assert strip_metadata(data, "PNG") == encoded(scene(), "PNG", transparency=(1, 2, 3))


def test_an_animated_png_stays_animated() -> None:
    frames = [scene(), scene().rotate(90), scene().rotate(180)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    stripped = strip_metadata(data, "PNG")
    assert len(pixels(stripped)) == 3
    assert same_pixels(stripped, data)


# --- WebP -----------------------------------------------------------------------------------


def test_a_webp_loses_exif_and_xmp_and_their_flags() -> None:
    reduced = reduce_profile(PROFILE)
    plain = encoded(scene(), "WEBP", lossless=True, icc_profile=reduced)
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
    assert Image.open(io.BytesIO(stripped)).info["icc_profile"] == reduced


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


def test_unknown_chunks_inside_the_frames_of_a_webp_go() -> None:
    frames = [scene(), scene().rotate(90)]
    plain = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    at = plain.index(b"ANMF")
    size = struct.unpack_from("<I", plain, at + 4)[0]
    added = b"GEOT" + struct.pack("<I", len(SECRET)) + SECRET + bytes(len(SECRET) % 2)
    end = at + 8 + size
    frame = b"ANMF" + struct.pack("<I", size + len(added)) + plain[at + 8 : end] + added
    body = plain[8:at] + frame + plain[end:]
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    assert strip_metadata(data, "WEBP") == plain


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


@pytest.mark.parametrize(
    "block",
    [
        b"\x21\x01\x0c" + bytes(12) + b"\x0f" + SECRET + b"\0",  # text to draw
        b"\x21\xf9\x0f" + SECRET + b"\0",
        b"\x21\xff\x0bNETSCAPE2.0\x0f" + SECRET + b"\0",
    ],
)
def test_gif_blocks_are_rebuilt_from_their_known_fields(block: bytes) -> None:
    plain = encoded(scene(), "GIF")
    assert strip_metadata(plain[:-1] + block + b"\x3b", "GIF") == plain


def test_text_behind_the_fields_of_a_gif_block_goes() -> None:
    frames = [scene(), scene().rotate(90)]
    plain = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], loop=3, duration=50)
    data = plain
    for start, size in ((b"\x21\xf9\x04", 7), (b"NETSCAPE2.0", 15)):
        end = data.index(start) + size
        data = data[:end] + bytes([len(SECRET)]) + SECRET + data[end:]
    assert strip_metadata(data, "GIF") == plain


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
    yield "AVIF", encoded(scene(), "AVIF", exif=EXIF, xmp=SECRET, icc_profile=PROFILE)
    yield "AVIF", encoded(scene(), "AVIF", xmp=SECRET, **frames)


EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + SECRET
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
@given(image_format=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "HEIF"]), data=st.binary())
def test_random_bytes_raise_nothing_but_value_errors(image_format: str, data: bytes) -> None:
    with contextlib.suppress(ValueError):
        strip_metadata(data, image_format)
