"""Uploaded pictures: accepted and refused files, and the stored result."""

import base64
import contextlib
import hashlib
import io
import struct
import warnings
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from media import images
from media.images import CheckedImage, check_images, decode_bytes, decode_upload
from smimso.errors import InvalidInput
from tests.properties import examples

SIZE = (60, 40)
UNREADABLE = (
    "The file is not a readable image. "
    "Only JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP and TIFF are allowed."
)
EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}


def scene(size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a smooth picture with different corners."""
    across = Image.linear_gradient("L").rotate(90).resize(size)
    down = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", [across, down, Image.new("L", size, 120)])


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def upload(data: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, kind)


def checked(data: bytes, name: str = "photo.jpg") -> CheckedImage:
    (image,) = check_images([upload(data, name)])
    return image


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean absolute difference of two pictures, 0..255."""
    assert one.size == other.size
    values = [np.asarray(image.convert("RGB"), dtype=float) for image in (one, other)]
    return float(np.abs(values[0] - values[1]).mean())


def rotated(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


# --- Accepted files -------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", EXTENSIONS)
def test_every_format_is_stored_byte_for_byte_under_the_extension_of_its_type(
    image_format: str,
) -> None:
    data = encoded(scene(), image_format)
    image = checked(data, "anything.bin")
    assert image.extension == EXTENSIONS[image_format]
    assert (image.width, image.height) == SIZE
    assert image.checksum == hashlib.sha256(data).hexdigest()
    assert np.array_equal(
        np.asarray(opened(image.data).convert("RGB")), np.asarray(opened(data).convert("RGB"))
    )


def test_the_real_type_decides_the_extension_not_the_name() -> None:
    assert checked(encoded(scene(), "PNG"), "holiday.jpg").extension == "png"
    assert checked(encoded(scene(), "JPEG"), "holiday.html").extension == "jpg"


def test_many_images_keep_their_order() -> None:
    sizes = [(10 + n, 20) for n in range(10)]
    found = check_images([upload(encoded(scene(size), "PNG")) for size in sizes])
    assert [(image.width, image.height) for image in found] == sizes


def test_a_progressive_jpeg_stays_progressive() -> None:
    assert opened(checked(encoded(scene(), "JPEG", progressive=True)).data).info["progressive"]


def test_a_jpeg_with_more_pictures_behind_it_becomes_a_plain_jpeg() -> None:
    """Phones append a depth map or a second picture to the first."""
    second = Image.new("RGB", SIZE, "red")
    data = encoded(scene(), "MPO", save_all=True, append_images=[second])
    assert opened(data).format == "MPO"
    image = checked(data)
    assert image.extension == "jpg"
    assert opened(image.data).format == "JPEG"
    assert len(image.data) < len(data)
    assert difference(opened(image.data), scene()) < 3
    assert difference(decode_bytes(data), scene()) < 3


def test_a_cmyk_jpeg_has_its_colours_and_no_profile_of_other_colours_in_its_renditions() -> None:
    red = Image.new("RGB", SIZE, "red").convert("CMYK")
    image = checked(encoded(red, "JPEG", icc_profile=b"a CMYK profile"))
    assert opened(image.data).mode == "CMYK"
    thumbnail = opened(image.renditions["thumbnail"])
    assert difference(thumbnail, Image.new("RGB", SIZE, "red")) < 6
    assert "icc_profile" not in thumbnail.info


def test_greys_of_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    ramp = np.linspace(0, 65_535, SIZE[0] * SIZE[1]).reshape(SIZE[1], SIZE[0])
    image = Image.fromarray(ramp.astype(np.uint16))
    expected = Image.fromarray((ramp / 256).astype(np.uint8))
    for options in ({}, {"transparency": 300}):
        data = encoded(image, "PNG", **options)
        assert opened(data).mode == "I;16"
        stored = checked(data)
        assert stored.data == data
        assert difference(decode_bytes(data), expected) < 2
        assert difference(opened(stored.renditions["thumbnail"]), expected) < 3


def test_a_palette_with_transparency_stays_transparent_and_is_seen_on_white() -> None:
    image = Image.new("P", SIZE, 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (0, 0, 30, 40))
    data = encoded(image, "PNG", transparency=0)
    stored = checked(data)
    assert stored.data == data
    thumbnail = opened(stored.renditions["thumbnail"]).convert("RGBA")
    assert thumbnail.getpixel((50, 20))[3] == 0
    assert thumbnail.getpixel((10, 20))[3] == 255
    seen = decode_bytes(data)
    assert seen.mode == "RGB"
    assert seen.getpixel((50, 20)) == (255, 255, 255)
    assert seen.getpixel((10, 20)) == (0, 0, 255)


def test_a_palette_is_smoothed_when_it_is_made_smaller() -> None:
    stripes = Image.new("P", (1600, 1600), 0)
    stripes.putpalette([0, 0, 0, 255, 255, 255])
    for x in range(0, 1600, 2):
        stripes.paste(1, (x, 0, x + 1, 1600))
    seen = np.asarray(decode_bytes(encoded(stripes, "PNG"), 200))
    assert seen.shape == (200, 200, 3)
    assert seen.min() > 100
    assert seen.max() < 156


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
def test_an_animation_stays_animated(image_format: str) -> None:
    frames = [scene(), scene().rotate(180), Image.new("RGB", SIZE, "black")]
    data = encoded(frames[0], image_format, save_all=True, append_images=frames[1:], duration=90)
    image = checked(data)
    assert image.data == data
    assert len(list(ImageSequence.Iterator(opened(image.data)))) == 3
    assert not getattr(opened(image.renditions["preview"]), "is_animated", False)


def test_an_animation_is_not_turned_because_that_would_stop_it() -> None:
    frames = [scene(), scene().rotate(180)]
    data = encoded(
        frames[0], "WEBP", save_all=True, append_images=frames[1:], exif=rotated(6), lossless=True
    )
    image = checked(data)
    assert (image.width, image.height) == SIZE
    assert len(list(ImageSequence.Iterator(opened(image.data)))) == 2


# --- Orientation and metadata ---------------------------------------------------------------


TURNS = {
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.rotate(180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.rotate(-90, expand=True).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    6: lambda image: image.rotate(-90, expand=True),
    7: lambda image: image.rotate(90, expand=True).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    8: lambda image: image.rotate(90, expand=True),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_an_exif_orientation_is_applied_to_the_pixels_and_gone(
    image_format: str, orientation: int
) -> None:
    data = encoded(scene(), image_format, exif=rotated(orientation))
    upright = TURNS[orientation](scene())
    image = checked(data)
    assert (image.width, image.height) == upright.size
    assert len(opened(image.data).getexif()) == 0
    assert difference(opened(image.data), upright) < 4
    assert difference(opened(image.renditions["preview"]), upright) < 6
    assert difference(decode_bytes(data), upright) < 4


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_an_upright_or_senseless_orientation_encodes_nothing_again(orientation: int) -> None:
    plain = encoded(scene(), "JPEG")
    assert checked(encoded(scene(), "JPEG", exif=rotated(orientation))).data == plain


def test_exif_data_that_cannot_be_written_again_is_no_obstacle() -> None:
    """Found in real files: text in a tag that should hold a number."""
    ascii_type, tag = 2, 0x011A  # XResolution, which should be a rational
    entry = struct.pack("<HHI4s", tag, ascii_type, 4, b"72 \0")
    turn = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    tiff = b"II*\0" + struct.pack("<IH", 8, 2) + turn + entry + struct.pack("<I", 0)
    image = checked(encoded(scene(), "JPEG", exif=b"Exif\0\0" + tiff))
    assert difference(opened(image.data), TURNS[6](scene())) < 4


def test_the_place_where_a_picture_was_taken_is_in_nothing_that_is_stored() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (21.0, 1.0, 42.0)
    data = encoded(scene(), "JPEG", exif=exif, comment=b"SecretCamera")
    assert 0x8825 in opened(data).getexif()
    image = checked(data)
    for stored in (image.data, *image.renditions.values()):
        assert b"SecretCamera" not in stored
        assert len(opened(stored).getexif()) == 0


def test_an_archive_behind_a_picture_is_cut_off() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("evil.html", "<script>alert(1)</script>")
    for image_format in EXTENSIONS:
        data = encoded(scene(), image_format)
        image = checked(data + file.getvalue())
        assert not zipfile.is_zipfile(io.BytesIO(image.data))
        assert image.data == checked(data).data


def test_a_script_in_a_gif_comment_is_gone() -> None:
    image = checked(encoded(scene(), "GIF", comment=b"*/=1;alert(1)//"))
    assert b"alert" not in image.data


# --- Renditions -----------------------------------------------------------------------------


def test_renditions_are_webp_of_the_promised_widths() -> None:
    image = checked(encoded(scene((2000, 1000)), "JPEG"))
    assert set(image.renditions) == {"thumbnail", "preview"}
    sizes = {name: opened(data).size for name, data in image.renditions.items()}
    assert sizes == {"thumbnail": (480, 240), "preview": (1080, 540)}
    assert {opened(data).format for data in image.renditions.values()} == {"WEBP"}
    for data in image.renditions.values():
        assert difference(opened(data), scene((2000, 1000)).resize(opened(data).size)) < 4


def test_a_small_picture_is_never_enlarged() -> None:
    image = checked(encoded(scene(), "PNG"))
    assert {opened(data).size for data in image.renditions.values()} == {SIZE}


def test_the_placeholder_is_a_tiny_picture_as_a_data_url() -> None:
    head, body = checked(encoded(scene((2000, 1000)), "JPEG")).placeholder.split(",")
    assert head == "data:image/webp;base64"
    assert opened(base64.b64decode(body)).size == (20, 10)
    assert len(body) < 400


@pytest.mark.parametrize("size", [(100, 20_000), (20_000, 100), (1, 30_000), (1, 1)])
def test_extreme_shapes_have_renditions_too(size: tuple[int, int]) -> None:
    """WebP is limited to 16,383 pixels; a screenshot of a long page is longer."""
    image = checked(encoded(Image.new("RGB", size, "teal"), "PNG"))
    assert (image.width, image.height) == size
    assert max(opened(image.renditions["preview"]).size) <= 16_383
    assert len(image.placeholder) < 400


# --- Refused requests -----------------------------------------------------------------------

BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "an ICO": encoded(scene(), "ICO"),
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\n1 0 obj",
    "a JPEG 2000": encoded(scene(), "JPEG2000"),
    "a Photoshop file": b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x08\0\0\0\x08\0\x08\0\3" + bytes(400),
    "a film": b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + bytes(400),
    "the head of a JPEG before a PDF": b"\xff\xd8\xff\xe0%PDF-1.7\n1 0 obj",
    "the head of a BMP before a script": b"BM=1;alert(1)//" + bytes(60),
    "half a JPEG": encoded(scene(), "JPEG")[:600],
    "half a PNG": encoded(scene(), "PNG")[:90],
    "half a WebP": encoded(scene(), "WEBP", lossless=True)[:60],
    "half a GIF": encoded(scene(), "GIF")[:900],
    "the head of a PNG before HTML": b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
    "the head of a GIF before JavaScript": b"GIF89a/*" + b"\0" * 9 + b"*/=alert(1)",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("take", [check_images, lambda files: decode_upload(files[0])])
def test_what_is_no_picture_is_refused_whatever_it_is_called(name: str, take: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        take([upload(BROKEN[name], "photo.png", "image/png")])
    assert str(refused.value) == UNREADABLE


def test_one_broken_file_refuses_all_of_them() -> None:
    good = encoded(scene(), "PNG")
    with pytest.raises(InvalidInput):
        check_images([upload(good), upload(b"broken"), upload(good)])


def test_eleven_files_are_too_many_and_ten_are_not() -> None:
    data = encoded(Image.new("RGB", (4, 4)), "PNG")
    assert len(check_images([upload(data) for _ in range(10)])) == 10
    with pytest.raises(InvalidInput) as refused:
        check_images([upload(data) for _ in range(11)])
    assert str(refused.value) == "Too many files. Maximum 10 files allowed"


def test_a_file_above_ten_megabytes_is_refused_before_it_is_read() -> None:
    class Huge:
        size = 10 * 1024 * 1024 + 1
        name = "huge.jpg"

        def read(self) -> bytes:
            raise AssertionError("it was read")

    for take in (lambda: check_images([Huge()]), lambda: decode_upload(Huge())):
        with pytest.raises(InvalidInput) as refused:
            take()
        assert str(refused.value) == "File size exceeds the maximum limit of 10MB"


def test_ten_megabytes_exactly_are_accepted() -> None:
    data = encoded(scene(), "PNG")
    padded = data + b"\0" * (10 * 1024 * 1024 - len(data))
    assert checked(padded).data == data


def png_of(width: int, height: int) -> bytes:
    """Return a valid header; decoding the image would need width * height bytes."""
    data = bytearray(encoded(Image.new("L", (8, 8)), "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def gif_of(width: int, height: int) -> bytes:
    """Return a GIF with a screen of one pixel and a frame that claims to be larger."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\0"
    return head + frame + b"\x3b"


@pytest.mark.parametrize("bomb", [png_of(60_000, 60_000), gif_of(65_000, 65_000)])
def test_a_pixel_bomb_is_refused_before_a_pixel_is_decoded(
    bomb: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked(bomb)
    assert refused.value.code == "image_too_large"
    assert refused.value.params["number"] >= 64

    def load(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(InvalidInput) as refused:
        decode_bytes(bomb)
    assert refused.value.code == "image_too_large"


def test_the_pixel_limit_is_a_setting(settings: Any) -> None:
    settings.UPLOAD_MAX_PIXELS = SIZE[0] * SIZE[1]
    assert checked(encoded(scene(), "PNG")).width == SIZE[0]
    settings.UPLOAD_MAX_PIXELS -= 1
    with pytest.raises(InvalidInput):
        checked(encoded(scene(), "PNG"))


# --- Decoding without storing ---------------------------------------------------------------


def test_a_picture_to_look_at_is_rgb_and_no_larger_than_asked() -> None:
    data = encoded(scene((3000, 1500)).convert("RGBA"), "PNG")
    seen = decode_bytes(data, 300)
    assert (seen.mode, seen.size) == ("RGB", (300, 150))
    assert difference(seen, scene((300, 150))) < 3


def test_a_large_jpeg_is_decoded_small() -> None:
    seen = decode_bytes(encoded(scene((4000, 2000)), "JPEG"))
    assert seen.size == (768, 384)
    assert difference(seen, scene((768, 384))) < 3


@pytest.mark.parametrize("size", [(69_000, 720), (720, 69_000), (40_000, 12)])
def test_a_long_strip_takes_little_memory_while_it_waits_for_a_model(size: tuple[int, int]) -> None:
    strip = encoded(Image.new("RGB", size, "teal"), "PNG")
    kept = images.decode_ahead(lambda: strip).result()
    assert max(kept.size) == images.MAX_SIDE
    assert 3 * kept.width * kept.height <= 7_000_000


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        ((4000, 3000), (960, 720)),
        ((300, 200), (300, 200)),
        ((2880, 720), (2880, 720)),
        ((100, 720), (100, 720)),
    ],
)
def test_large_pictures_shrink_to_what_the_models_need(
    size: tuple[int, int], kept: tuple[int, int]
) -> None:
    data = encoded(scene(size), "PNG")
    assert images.decode_ahead(lambda: data).result().size == kept


# --- Arbitrary bytes ------------------------------------------------------------------------

FUZZED = [
    encoded(scene(), "JPEG", exif=rotated(6), icc_profile=b"profile", comment=b"comment"),
    encoded(scene(), "JPEG", progressive=True),
    encoded(scene(), "MPO", save_all=True, append_images=[scene()]),
    encoded(scene().quantize(8), "PNG", transparency=2, exif=rotated(3)),
    encoded(scene().convert("L").convert("I;16"), "PNG", transparency=9),
    encoded(scene(), "WEBP", exif=rotated(8), xmp=b"<x/>"),
    encoded(scene(), "WEBP", save_all=True, append_images=[scene().rotate(90)]),
    encoded(scene(), "GIF", save_all=True, append_images=[scene().rotate(90)], comment=b"c"),
]


def only_refuses(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow logs anomalies
        with contextlib.suppress(InvalidInput):
            check_images([upload(data)])
        with contextlib.suppress(InvalidInput):
            decode_bytes(data)


@examples(200)
@given(
    data=st.sampled_from(FUZZED),
    changes=st.lists(
        st.tuples(st.integers(0, 4_000), st.integers(0, 4), st.binary(max_size=4)), max_size=6
    ),
)
def test_corrupted_pictures_are_refused_or_read_and_nothing_else(
    data: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    for at, removed, inserted in changes:
        at %= len(data) or 1
        data = data[:at] + inserted + data[at + removed :]
    only_refuses(data)


@examples(150)
@given(
    head=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF"]),
    body=st.binary(max_size=300),
)
def test_random_bytes_are_refused_and_nothing_else(head: bytes, body: bytes) -> None:
    only_refuses(head + body)
