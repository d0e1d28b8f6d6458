"""Renditions, and what the models see, have the colors that the file describes."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image, ImageCms

from media.color import describe, to_srgb
from media.images import check_images, decode_ahead, decode_bytes
from tests.media.profiles import cmyk_profile, gray_profile, rgb_profile

MAX_MEAN, MAX_DIFFERENCE = 3, 10  # of 255; WebP loses some color
SRGB = ImageCms.createProfile("sRGB")
PATCHES = [
    *((200, 60, 40), (60, 160, 80), (50, 80, 190), (230, 200, 60), (128, 128, 128), (30, 30, 30)),
    *((240, 240, 240), (170, 110, 90), (90, 120, 150), (150, 90, 160), (80, 80, 80), (0, 0, 0)),
]
TO_SRGB_OF_P3 = np.array(
    [[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09827]]
)
TO_SRGB_OF_BT2020 = np.array(
    [[1.66049, -0.58764, -0.07285], [-0.12455, 1.13290, -0.00835], [-0.01815, -0.10058, 1.11873]]
)


def patches(mode: str = "RGB") -> Image.Image:
    """Return a picture of large areas of one color each."""
    image = Image.new("RGB", (4 * 48, 3 * 48))
    for number, color in enumerate(PATCHES):
        x, y = 48 * (number % 4), 48 * (number // 4)
        image.paste(color, (x, y, x + 48, y + 48))
    return image.convert(mode)


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def png_with(*chunks: tuple[bytes, bytes], image: Image.Image | None = None) -> bytes:
    data = encoded(image or patches(), "PNG")
    added = b""
    for kind, content in chunks:
        checksum = zlib.crc32(kind + content)
        added += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    return data[:33] + added + data[33:]


def centers(image: Image.Image) -> np.ndarray:
    """Return the mean color of the middle of each patch, float [12, 3]."""
    image = image.convert("RGB").resize((4 * 48, 3 * 48))
    boxes = [(48 * (n % 4) + 16, 48 * (n // 4) + 16) for n in range(len(PATCHES))]
    crops = [np.asarray(image.crop((x, y, x + 16, y + 16)), dtype=float) for x, y in boxes]
    return np.array([crop.mean(axis=(0, 1)) for crop in crops])


def assert_seen_as(data: bytes, expected: Image.Image) -> None:
    """Check the renditions, the picture for the models, and that for search, by their patches."""
    checked = check_images([SimpleUploadedFile("a", data)])[0]
    renditions = [Image.open(io.BytesIO(data)) for data in checked.renditions.values()]
    for rendition in renditions:
        assert "icc_profile" not in rendition.info
    for seen in (*renditions, decode_ahead(lambda: data).result(), decode_bytes(data)):
        difference = np.abs(centers(seen) - centers(expected))
        assert difference.mean() <= MAX_MEAN
        assert difference.max() <= MAX_DIFFERENCE


def converted(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")


def from_linear(light: np.ndarray) -> Image.Image:
    """Return the picture of linear sRGB, 0..1."""
    light = np.clip(light, 0, 1)
    codes = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return Image.fromarray(np.round(255 * codes).astype(np.uint8))


def linear(codes: np.ndarray) -> np.ndarray:
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def codes() -> np.ndarray:
    return np.asarray(patches()) / 255


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_of_a_phone_is_converted_from_its_wide_gamut(image_format: str) -> None:
    data = encoded(patches(), image_format, icc_profile=rgb_profile())
    expected = from_linear(linear(codes()) @ TO_SRGB_OF_P3.T)
    assert np.abs(centers(expected) - centers(patches())).max() > 15
    assert_seen_as(data, expected)


def test_a_palette_and_transparency_are_converted_too() -> None:
    expected = converted(patches(), rgb_profile())
    palette = encoded(patches().quantize(16), "PNG", icc_profile=rgb_profile())
    assert_seen_as(palette, expected)
    transparent = patches("RGBA")
    transparent.putalpha(254)
    assert_seen_as(encoded(transparent, "PNG", icc_profile=rgb_profile()), expected)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grays_with_a_profile_are_converted(mode: str) -> None:
    gray = patches("L")
    data = encoded(gray.convert(mode), "PNG", icc_profile=gray_profile(1.0))
    expected = converted(gray, gray_profile(1.0))
    assert np.abs(centers(expected) - centers(gray)).max() > 50
    assert_seen_as(data, expected)


def test_the_inks_of_a_press_do_not_turn_neon() -> None:
    inks = patches("CMYK")
    data = encoded(inks, "JPEG", icc_profile=cmyk_profile(), quality=95)
    expected = converted(inks, cmyk_profile())
    assert np.abs(centers(expected) - centers(inks)).max() > 40
    assert_seen_as(data, expected)


def test_inks_without_a_profile_keep_their_plain_colors() -> None:
    assert_seen_as(encoded(patches("CMYK"), "JPEG", quality=95), patches("CMYK").convert("RGB"))


@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8, 1 / 3.0])
def test_the_gamma_of_a_png_is_applied(gamma: float) -> None:
    data = png_with((b"gAMA", struct.pack(">I", round(100_000 * gamma))))
    assert_seen_as(data, from_linear(codes() ** (1 / gamma)))


def test_the_primaries_of_a_png_are_applied() -> None:
    chromaticities = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)  # of P3
    chunk = b"cHRM", struct.pack(">8I", *(round(100_000 * value) for value in chromaticities))
    expected = from_linear(linear(codes()) @ TO_SRGB_OF_P3.T)
    assert_seen_as(png_with(chunk), expected)
    with_gamma = png_with((b"gAMA", struct.pack(">I", 45_455)), chunk)
    assert_seen_as(with_gamma, from_linear(codes() ** 2.2 @ TO_SRGB_OF_P3.T))


@pytest.mark.parametrize(
    ("code_points", "expected"),
    [
        ((12, 13, 0, 1), lambda: from_linear(linear(codes()) @ TO_SRGB_OF_P3.T)),
        ((9, 14, 0, 1), lambda: from_linear(codes() ** 2.4 @ TO_SRGB_OF_BT2020.T)),
        ((9, 13, 0, 1), lambda: from_linear(linear(codes()) @ TO_SRGB_OF_BT2020.T)),
        ((1, 8, 0, 1), lambda: from_linear(codes())),
        ((1, 4, 0, 1), lambda: from_linear(codes() ** 2.2)),
        ((1, 13, 0, 0), lambda: from_linear(linear(np.clip((255 * codes() - 16) / 219, 0, 1)))),
        ((1, 13, 0, 1), patches),
        ((2, 2, 0, 1), patches),  # unspecified
        ((99, 13, 0, 1), patches),  # unknown
    ],
)
def test_the_code_points_of_a_png_are_applied(
    code_points: tuple[int, ...], expected: Callable[[], Image.Image]
) -> None:
    assert_seen_as(png_with((b"cICP", bytes(code_points))), expected())


@pytest.mark.parametrize("transfer", [16, 18])
def test_a_high_dynamic_range_is_compressed_without_losing_highlights(transfer: int) -> None:
    ramp = Image.linear_gradient("L").convert("RGB")
    data = png_with((b"cICP", bytes([9, transfer, 0, 1])), image=ramp)
    seen = np.asarray(decode_bytes(data))[:, 128, 1].astype(int)
    assert (np.diff(seen) >= 0).all()
    white = {16: 148, 18: 191}[transfer]  # the code of 203 cd/m²
    assert 170 <= seen[white] <= 220
    assert seen[white // 2] > 20
    assert seen[-1] == 255


def test_descriptions_have_the_order_of_the_png_specification() -> None:
    wrong_gamma = (b"gAMA", struct.pack(">I", 100_000))
    assert_seen_as(png_with((b"sRGB", b"\0"), wrong_gamma), patches())
    profile = b"P3\0\0" + zlib.compress(rgb_profile())
    expected = from_linear(linear(codes()) @ TO_SRGB_OF_P3.T)
    assert_seen_as(png_with((b"iCCP", profile), wrong_gamma), expected)
    assert_seen_as(png_with((b"cICP", bytes([1, 13, 0, 1])), (b"iCCP", profile)), patches())


@pytest.mark.parametrize(
    "profile",
    [
        b"an RGB profile",
        rgb_profile()[:200],
        cmyk_profile(),
        gray_profile(1.0),
        rgb_profile(columns=((0, 0, 0),) * 3).replace(b"para", b"????"),
    ],
)
def test_a_profile_that_is_broken_or_of_other_pixels_is_ignored(profile: bytes) -> None:
    assert_seen_as(encoded(patches(), "JPEG", icc_profile=profile, quality=95), patches())


@pytest.mark.parametrize("values", [(0,) * 8, (2**32 - 1,) * 8, (31_270, 32_900) * 4])
def test_impossible_primaries_and_gammas_are_ignored(values: tuple[int, ...]) -> None:
    chunks = (b"cHRM", struct.pack(">8I", *values)), (b"gAMA", struct.pack(">I", 0))
    assert_seen_as(png_with(*chunks), patches())


def test_a_picture_that_is_turned_keeps_its_description() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = patches().transpose(Image.Transpose.ROTATE_180)
    expected = from_linear(linear(codes()) @ TO_SRGB_OF_P3.T)
    data = encoded(turned, "JPEG", exif=exif, icc_profile=rgb_profile(), quality=95)
    stored = check_images([SimpleUploadedFile("a", data)])[0].data
    assert_seen_as(data, expected)
    assert_seen_as(stored, expected)
    png = encoded(turned, "PNG", exif=exif)
    gamma = png_with((b"gAMA", struct.pack(">I", 100_000)))[33:49]
    stored = check_images([SimpleUploadedFile("a", png[:33] + gamma + png[33:])])[0].data
    assert_seen_as(stored, from_linear(codes()))


@pytest.mark.parametrize("transfer", [1, 13])
def test_the_code_points_of_an_avif_are_applied(transfer: int) -> None:
    data = encoded(patches(), "AVIF", quality=95)
    box = data.index(b"colrnclx") + 8
    data = data[:box] + struct.pack(">HH", 12, transfer) + data[box + 4 :]
    image = Image.open(io.BytesIO(data))
    describe(image, data)
    seen = centers(to_srgb(image))
    expected = centers(from_linear(linear(codes()) @ TO_SRGB_OF_P3.T))
    assert np.abs(seen - expected).max() <= MAX_DIFFERENCE


def test_srgb_and_untagged_pictures_are_not_copied() -> None:
    srgb = ImageCms.ImageCmsProfile(SRGB).tobytes()
    for info in ({}, {"icc_profile": srgb}, {"srgb": 0, "gamma": 0.45455}):
        image = patches()
        image.info = dict(info)
        assert to_srgb(image) is image
        assert image.info == {}


def test_lab_is_converted() -> None:
    lab = converted_to_lab(patches())
    assert np.abs(centers(to_srgb(lab)) - centers(patches())).max() <= 5


def converted_to_lab(image: Image.Image) -> Image.Image:
    return ImageCms.profileToProfile(image, SRGB, ImageCms.createProfile("LAB"), outputMode="LAB")
