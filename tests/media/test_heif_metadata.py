"""HEIC and AVIF lose what the primary picture is not made of."""

import io

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from media.icc import reduce_profile
from media.metadata import strip_metadata
from tests.media.profiles import rgb_profile
from tests.media.test_metadata import EXIF, SECRET, encoded, scene


def heic(*pictures: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    heif = pillow_heif.HeifFile()
    for picture in pictures:
        heif.add_from_pillow(picture)
    heif.save(file, **options)
    return file.getvalue()


def test_a_heic_loses_exif_xmp_thumbnails_and_other_pictures_and_no_pixel() -> None:
    picture, other = scene().resize((240, 160)), Image.new("RGB", (64, 64), "red")
    picture.info |= {"exif": EXIF, "xmp": SECRET, "icc_profile": rgb_profile(secret=SECRET)}
    data = heic(picture, other, thumbnails=[64])
    stripped = strip_metadata(data, "HEIF")
    assert data.count(SECRET) > 2
    assert SECRET not in stripped
    assert len(stripped) == len(data)
    before, after = pillow_heif.open_heif(data), pillow_heif.open_heif(stripped)
    assert before.info["thumbnails"]
    assert (len(before), len(after)) == (2, 1)
    assert np.array_equal(np.asarray(before[0]), np.asarray(after[0]))
    assert after.info["icc_profile"] == reduce_profile(rgb_profile())
    assert after.info["exif"] is None
    assert after.info["thumbnails"] == []
    assert after.info["metadata"] == []
    assert strip_metadata(stripped, "HEIF") == stripped


@pytest.mark.parametrize("image_format", ["AVIF", "HEIF"])
def test_transparency_and_orientation_stay(image_format: str) -> None:
    picture = scene().resize((240, 160)).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, SECRET.decode()
    if image_format == "HEIF":
        picture.info["exif"] = exif.tobytes()
        data = heic(picture)
        before, after = (
            pillow_heif.open_heif(each).to_pillow()
            for each in (data, strip_metadata(data, image_format))
        )
    else:
        data = encoded(picture, "AVIF", exif=exif)
        before, after = (
            Image.open(io.BytesIO(each)) for each in (data, strip_metadata(data, image_format))
        )
    assert SECRET in data
    assert SECRET not in strip_metadata(data, image_format)
    assert after.size == before.size
    assert np.array_equal(np.asarray(after), np.asarray(before))
    assert np.asarray(after)[..., 3].min() < 10
    if image_format == "AVIF":
        assert after.getexif()[0x0112] == 6
