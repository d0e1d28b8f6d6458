"""Perceptual hash and color names: similar for copies, different for other pictures."""

import io

import pytest
from PIL import Image, ImageColor, ImageDraw, ImageEnhance

from ai.demo_models.drawing import draw_scene
from ai.demo_models.scenes import choose_demo_scenes
from media.appearance import COLORS, color_names, perceptual_hash


def distance(one: int | None, other: int | None) -> int:
    assert one is not None
    assert other is not None
    return ((one ^ other) & (2**64 - 1)).bit_count()


def recoded(picture: Image.Image, image_format: str, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, image_format, quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def test_a_copy_has_nearly_the_same_hash_and_another_scene_has_not() -> None:
    pictures = [draw_scene(scene, 480) for scene in choose_demo_scenes(12)]
    hashes = [perceptual_hash(picture) for picture in pictures]
    for picture, known in zip(pictures, hashes, strict=True):
        half = picture.resize((picture.width // 2, picture.height // 2))
        copies = [recoded(picture, "JPEG", 40), recoded(half, "WEBP", 60)]
        copies.append(ImageEnhance.Brightness(picture).enhance(0.8))
        assert max(distance(known, perceptual_hash(copy)) for copy in copies) <= 6
    others = [distance(a, b) for n, a in enumerate(hashes) for b in hashes[:n]]
    assert min(others) > 6


def test_the_hash_fits_a_signed_bigint_and_a_flat_picture_has_none() -> None:
    hashes = [perceptual_hash(draw_scene(scene, 96)) for scene in choose_demo_scenes(8)]
    assert all(value is not None and -(2**63) <= value < 2**63 for value in hashes)
    assert any(value is not None and value < 0 for value in hashes)
    assert perceptual_hash(Image.new("RGB", (90, 60), "teal")) is None


@pytest.mark.parametrize(
    ("name", "colors"),
    [
        ("red", "red crimson darkred"),
        ("orange", "orange darkorange"),
        ("yellow", "yellow gold khaki"),
        ("green", "lime green forestgreen olivedrab seagreen"),
        ("teal", "teal cyan turquoise"),
        ("blue", "blue navy skyblue steelblue lightblue"),
        ("purple", "purple indigo blueviolet mediumpurple"),
        ("pink", "pink hotpink deeppink magenta"),
        ("brown", "saddlebrown sienna chocolate"),
        ("black", "black #101018"),
        ("grey", "grey silver dimgrey slategrey"),
        ("white", "white snow ivory whitesmoke"),
    ],
)
def test_colours_are_called_what_people_call_them(name: str, colors: str) -> None:
    for color in colors.split():
        assert color_names(Image.new("RGB", (8, 8), ImageColor.getrgb(color))) == [name], color


def test_the_largest_colours_come_first_and_small_ones_do_not_come() -> None:
    picture = Image.new("RGB", (100, 100), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 99, 29), fill="blue")
    draw.rectangle((0, 90, 49, 99), fill="red")
    draw.rectangle((90, 90, 99, 99), fill="green")
    assert color_names(picture) == ["white", "blue", "red"]
    assert set(color_names(draw_scene(choose_demo_scenes(1)[0], 96))) <= set(COLORS)
