"""Formats and sizes that phones and cameras write."""

import io

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from media.formats import FORMATS, detect_format
from media.images import check_images, decode_upload
from media.preparation import CheckedImage
from smimso.errors import InvalidInput
from tests.media import samples
from tests.media.samples import encoded, png, sample, scene


def upload(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.jpg", data)


def checked(data: bytes) -> CheckedImage:
    (image,) = check_images([upload(data)])
    return image


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    values = [np.asarray(image.convert("RGB"), dtype=float) for image in (one, other)]
    return float(np.abs(values[0] - values[1]).mean())


@pytest.mark.parametrize("name", samples.FORMATS)
def test_every_format_is_stored_as_a_file_that_every_browser_shows(name: str) -> None:
    image = checked(sample(name))
    stored = opened(image.data)
    assert stored.format in ("JPEG", "PNG", "WEBP", "GIF")
    assert FORMATS[stored.format].extension == image.extension
    assert (image.width, image.height) == stored.size == samples.SIZE
    assert difference(stored, scene()) < 7
    assert difference(decode_upload(upload(sample(name))), scene()) < 7
    assert difference(opened(image.renditions["preview"]), scene()) < 9


@pytest.mark.parametrize("name", ["HEIF", "AVIF"])
def test_the_original_of_a_phone_is_stored_too(name: str) -> None:
    image = checked(sample(name))
    assert image.original is not None
    found = detect_format(image.original)
    assert found is FORMATS[name]
    assert image.original_extension == found.extension


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_have_no_second_file(name: str) -> None:
    assert checked(sample(name)).original is None


def test_a_heic_of_tiles_is_upright() -> None:
    image = checked(samples.turned_heic())
    upright = scene((256, 128)).rotate(-90, expand=True)
    assert (image.width, image.height) == (128, 256)
    assert difference(opened(image.data), upright) < 7
    assert difference(decode_upload(upload(samples.turned_heic())), upright) < 7


@pytest.mark.parametrize("name", ["HEIF", "AVIF"])
def test_transparency_is_kept(name: str) -> None:
    image = scene().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 30, 40))
    stored = opened(checked(encoded(image, name)).data)
    assert stored.convert("RGBA").getpixel((5, 20))[3] < 10
    assert stored.convert("RGBA").getpixel((50, 20))[3] > 245


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("1", {}),
        ("L", {}),
        ("P", {}),
        ("CMYK", {}),
        ("LAB", {}),
        ("RGB", {"compression": "tiff_lzw"}),
        ("RGB", {"compression": "jpeg"}),
        ("RGBA", {"compression": "tiff_adobe_deflate"}),
        ("I;16", {}),
        ("F", {}),
    ],
)
def test_every_kind_of_tiff_is_taken(mode: str, options: dict[str, str]) -> None:
    image = Image.new(mode, (40, 30)) if mode in ("LAB", "I;16", "F") else scene().convert(mode)
    stored = checked(encoded(image, "TIFF", **options))
    assert stored.extension == "png"
    assert (stored.width, stored.height) == image.size


def test_a_tiff_of_several_pages_shows_its_first() -> None:
    pages = [Image.new("RGB", (30, 20), "teal"), Image.new("RGB", (90, 90), "red")]
    image = checked(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert difference(opened(image.data), pages[0]) < 1


def test_run_lengths_of_a_bitmap_are_read() -> None:
    assert checked(samples.bmp_runs(900)).width == 30


@pytest.mark.parametrize("size", [(8160, 6144), (9248, 6936), (12_000, 9_000)])
def test_the_largest_cameras_of_phones_are_taken(size: tuple[int, int]) -> None:
    image = checked(encoded(Image.new("L", size, 90), "JPEG"))
    assert (image.width, image.height) == size
    assert opened(image.renditions["preview"]).width == 1080


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PNG", "HEIF", "AVIF", "TIFF", "GIF"])
def test_64_megapixels_are_taken_in_all_other_formats(name: str) -> None:
    options = {"AVIF": {"speed": 10}, "TIFF": {"compression": "tiff_lzw"}}.get(name, {})
    image = checked(encoded(Image.new("L", (9248, 6936), 90), name, **options))
    assert (image.width, image.height) == (9248, 6936)


def test_a_picture_beyond_the_limit_of_its_format_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        checked(png(12_000, 12_000))
    assert refused.value.code == "image_too_large"


@pytest.mark.parametrize(
    "data",
    [b"BMW is the name of a car", b"II* is Roman for two", b"GIF images move", b"RIFF"],
)
def test_a_text_that_begins_like_a_picture_is_none(data: bytes) -> None:
    assert detect_format(data) is None
