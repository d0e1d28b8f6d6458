"""Files that browsers show although something is wrong with them: taken, and stored without it."""

import io
import struct
import zlib

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from media.images import check_images, decode_upload
from media.preparation import CheckedImage
from smimso.errors import InvalidInput
from tests.media.samples import FORMATS, encoded, png_chunk, sample, scene

JPEG, PNG, GIF = sample("JPEG"), sample("PNG"), sample("GIF")
LARGE = scene((600, 400))
EXIF_GARBAGE = b"Exif\0\0MM\0*" + b"\xff" * 90
MPF_GARBAGE = b"MPF\0" + b"\x7f" * 40


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def behind_header(data: bytes, *chunks: bytes) -> bytes:
    """Insert chunks behind the header of a PNG."""
    return data[:33] + b"".join(chunks) + data[33:]


def checked(data: bytes) -> CheckedImage:
    (image,) = check_images([SimpleUploadedFile("photo.jpg", data)])
    return image


def assert_shows(data: bytes, expected: Image.Image) -> None:
    """Assert that the stored files and the decoded picture look like `expected`, for all users."""
    image = checked(data)
    seen = decode_upload(SimpleUploadedFile("photo.jpg", data))
    pictures = [Image.open(io.BytesIO(image.data)), seen]
    pictures += [Image.open(io.BytesIO(file)) for file in image.renditions.values()]
    for picture in pictures:
        pixels = np.asarray(picture.convert("RGB").resize(expected.size), dtype=float)
        difference = np.abs(pixels - np.asarray(expected.convert("RGB"), dtype=float))
        assert difference.mean() < 12


TEXT = zlib.compress(b"secret" * 200_000)
DAMAGED = {
    "bytes between two segments of a JPEG": JPEG[:20] + b"\0\1\2\3" + JPEG[20:],
    "fill bytes before a marker": JPEG[:20] + b"\xff" * 7 + JPEG[20:],
    "a JPEG without its end": JPEG[:-2],
    "a JPEG without its last bytes": encoded(LARGE, "JPEG")[:-30],
    "a progressive JPEG without its end": encoded(LARGE, "JPEG", progressive=True)[:-12],
    "garbage in EXIF": JPEG[:2] + segment(0xE1, EXIF_GARBAGE) + JPEG[2:],
    "EXIF that ends early": JPEG[:2] + segment(0xE1, b"Exif\0\0II*\0\x08\0") + JPEG[2:],
    "a multi-picture index of nonsense": JPEG[:2]
    + segment(0xE2, b"MPF\0" + b"\x7f" * 40)
    + JPEG[2:],
    "an ICC profile of nonsense": JPEG[:2] + segment(0xE2, b"ICC_PROFILE\0\1\1xyz") + JPEG[2:],
    "a GIF without its end": GIF[:-1],
    "a GIF without its last bytes": GIF[:-9],
    "a PNG without its end": PNG[:-12],
    "a PNG cut in its last checksum": PNG[:-14],
    "a PNG without its last pixels": encoded(LARGE, "PNG")[:-40],
    "a large text in a PNG": behind_header(PNG, png_chunk(b"zTXt", b"a\0\0" + TEXT)),
    "a large text behind the pixels of a PNG": (
        PNG[:-12] + png_chunk(b"iTXt", b"a\0\1\0\0\0" + TEXT) + PNG[-12:]
    ),
    "a text of nonsense in a PNG": behind_header(PNG, png_chunk(b"zTXt", b"a\0\0nonsense")),
    "garbage in the EXIF of a PNG": behind_header(PNG, png_chunk(b"eXIf", EXIF_GARBAGE)),
    "a profile of nonsense in a PNG": behind_header(PNG, png_chunk(b"iCCP", b"a\0\0nonsense")),
    "a wrong checksum of a PNG's text": behind_header(PNG, png_chunk(b"tEXt", b"a\0b")[:-1] + b"?"),
    "a private chunk of a PNG that is cut": PNG[:-12] + struct.pack(">I", 900) + b"prVt" + b"abc",
    **{f"a {name} with something behind it": sample(name) + b"<script>" * 9 for name in FORMATS},
    # Decoders of AV1 refuse a picture that is cut, as browsers do.
    **{
        f"a {name} without its last byte": encoded(LARGE, name)[:-1]
        for name in FORMATS
        if name != "AVIF"
    },
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_browsers_show_is_taken_and_looks_the_same(name: str) -> None:
    data = DAMAGED[name]
    assert_shows(data, LARGE if len(data) > 4_000 and "something" not in name else scene())


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_stored_of_a_damaged_file_is_whole(name: str) -> None:
    image = checked(DAMAGED[name])
    for data in (image.data, *image.renditions.values(), image.original or image.data):
        assert b"secret" not in data
        assert b"<script>" not in data
        again = checked(data)
        if data is not image.original:
            assert (again.width, again.height) == Image.open(io.BytesIO(data)).size
    assert checked(image.data).data == image.data


@pytest.mark.parametrize("share", [0.3, 0.4])
def test_a_progressive_jpeg_that_lacks_scans_is_no_picture(share: float) -> None:
    data = encoded(LARGE.effect_spread(20), "JPEG", progressive=True)
    refuse(data[: int(len(data) * share)])


@pytest.mark.parametrize("share", [0.6, 0.75])
def test_a_progressive_jpeg_may_be_cut_in_its_last_scan(share: float) -> None:
    """It refines the pixels by one bit."""
    picture = LARGE.effect_spread(20)
    data = encoded(picture, "JPEG", progressive=True)
    assert_shows(data[: int(len(data) * share)], picture)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.75])
@pytest.mark.parametrize("name", FORMATS)
def test_half_a_file_is_no_picture(share: float, name: str) -> None:
    data = encoded(LARGE.effect_spread(20), name)
    refuse(data[: int(len(data) * share)])


def refuse(data: bytes) -> None:
    for take in (checked, lambda data: decode_upload(SimpleUploadedFile("photo.jpg", data))):
        with pytest.raises(InvalidInput) as refused:
            take(data)
        assert refused.value.code == "image_unreadable"


# --- Errors of several files --------------------------------------------------------------------


def error_of(*files: SimpleUploadedFile) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        check_images(files)
    return refused.value


def test_of_several_files_the_error_names_the_broken_one() -> None:
    good = SimpleUploadedFile("good.png", PNG)
    error = error_of(good, SimpleUploadedFile("holiday.png", b"no picture"))
    assert error.params == {"file_number": 2, "file_name": "holiday.png"}
    assert str(error).startswith("File 2 (holiday.png): The file is not a readable image.")


def test_a_limit_names_the_file_too(settings: object) -> None:
    large = SimpleUploadedFile("large.png", bytes(10 * 1024 * 1024 + 1))
    error = error_of(SimpleUploadedFile("good.png", PNG), large)
    assert str(error) == "File 2 (large.png): File size exceeds the maximum limit of 10MB"


def test_of_a_single_file_the_error_has_its_usual_text() -> None:
    error = error_of(SimpleUploadedFile("holiday.png", b"no picture"))
    assert str(error).startswith("The file is not a readable image.")


def test_a_strange_file_name_is_shown_in_one_harmless_line() -> None:
    name = "a" * 90 + "\u202egnp.exe%(number)s\n\x07.png"
    broken = SimpleUploadedFile("x.png", b"no picture")
    broken._name = name
    error = error_of(broken, SimpleUploadedFile("good.png", PNG))
    shown = str(error.params["file_name"])
    assert len(shown) <= 60
    assert shown.isprintable()
    assert shown.endswith(".png")
    assert "%(number)s" in str(error)
