"""HEIC and AVIF lose what the primary picture is not made of."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from media.icc import reduce_profile
from media.metadata import strip_metadata
from tests.media.profiles import rgb_profile
from tests.media.recordings import box, full_box, numbers
from tests.media.test_metadata import EXIF, SECRET, encoded, scene


@pytest.fixture(autouse=True)
def _whole_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pillow_heif read also what is not the primary picture; `media.decoding` reads less."""
    for name in ("THUMBNAILS", "DEPTH_IMAGES", "AUX_IMAGES"):
        monkeypatch.setattr(pillow_heif.options, name, True)


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


def coded(picture: Image.Image) -> tuple[bytes, bytes]:
    """Return the configuration of the decoder, and the compressed pixels."""
    data = heic(picture, quality=90)
    at = data.index(b"hvcC") - 4
    configuration = data[at : at + int.from_bytes(data[at : at + 4], "big")]
    return configuration, data[data.index(b"mdat") + 4 :]


def phone_heic() -> bytes:
    """Return tiles, a thumbnail, a depth map, EXIF and XMP in the structure that phones write."""
    tiles = [scene().resize((128, 128)).rotate(90 * number) for number in range(4)]
    configuration = coded(tiles[0])[0]
    small_configuration, small = coded(tiles[0].resize((64, 64)))
    payloads = {number: coded(tile)[1] for number, tile in enumerate(tiles, 1)}
    payloads |= {11: small, 12: small, 13: SECRET + EXIF, 14: SECRET}
    types = dict.fromkeys(payloads, b"hvc1") | {10: b"grid", 13: b"Exif", 14: b"mime"}
    items = [
        box(b"infe", b"\2\0\0\0", struct.pack(">HH", number, 0), types[number], SECRET, bytes(2))
        for number in types
    ]
    properties = [
        configuration,
        full_box(b"ispe", numbers(128, 128)),
        full_box(b"ispe", numbers(250, 240)),
        small_configuration,
        full_box(b"ispe", numbers(64, 64)),
        full_box(b"auxC", b"urn:mpeg:hevc:2015:auxid:2\0", SECRET),
        box(b"irot", b"\1"),
        full_box(b"udes", SECRET),
        box(b"colr", b"nclx", struct.pack(">HHHB", 12, 13, 6, 0x80)),
    ]
    uses = {n: [0x81, 2] for n in range(1, 5)} | {10: [3, 0x87, 8, 9], 11: [0x84, 5]}
    uses[12] = [0x84, 5, 6]
    associations = b"".join(struct.pack(">HB", n, len(u)) + bytes(u) for n, u in uses.items())
    references = [box(b"dimg", struct.pack(">HH4H", 10, 4, 1, 2, 3, 4))]
    for reference_type, number in ((b"thmb", 11), (b"auxl", 12), (b"cdsc", 13), (b"cdsc", 14)):
        references.append(box(reference_type, struct.pack(">HHH", number, 1, 10)))

    def meta(start: int) -> bytes:
        places = struct.pack(">HHHHII", 10, 1, 0, 1, 0, 8)
        for number, payload in payloads.items():
            places += struct.pack(">HHHHII", number, 0, 0, 1, start, len(payload))
            start += len(payload)
        return full_box(
            b"meta",
            full_box(b"hdlr", bytes(4), b"pict", bytes(12), SECRET, b"\0"),
            full_box(b"pitm", struct.pack(">H", 10)),
            box(b"iloc", b"\1\0\0\0\x44\0", struct.pack(">H", len(types)), places),
            full_box(b"iinf", struct.pack(">H", len(items)), *items),
            box(
                b"iprp",
                box(b"ipco", *properties),
                full_box(b"ipma", numbers(len(uses)), associations),
            ),
            full_box(b"iref", *references),
            box(b"idat", b"\0\0\1\1", struct.pack(">HH", 250, 240)),
        )

    head = box(b"ftyp", b"heic", numbers(0), b"mif1heic")
    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *payloads.values()) + box(b"mpvd", SECRET)


def test_a_photo_of_a_phone_keeps_its_tiles_its_turn_and_its_colours() -> None:
    data = phone_heic()
    stripped = strip_metadata(data, "HEIF")
    assert SECRET not in stripped
    before, after = pillow_heif.open_heif(data), pillow_heif.open_heif(stripped)
    assert before.info["thumbnails"]
    assert before.info["depth_images"]
    assert after.size == before.size == (240, 250)
    assert np.array_equal(np.asarray(after), np.asarray(before))
    assert after.info["nclx_profile"]["color_primaries"] == 12
    for name in ("thumbnails", "depth_images", "metadata", "aux"):
        assert not after.info[name]
