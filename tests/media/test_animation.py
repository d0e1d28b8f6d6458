"""The frame that stands for an animation."""

import io

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from media.images import check_images, decode_ahead, decode_upload
from media.preparation import CheckedImage
from tests.media.samples import encoded, scene

FORMATS = ["GIF", "PNG", "WEBP"]


def fading_in(image_format: str, start: str = "white", frames: int = 12) -> bytes:
    """Return an animation of the scene that comes out of one colour."""
    empty = Image.new("RGB", scene().size, start)
    pictures = [Image.blend(empty, scene(), n / (frames - 1)) for n in range(frames)]
    return encoded(pictures[0], image_format, save_all=True, append_images=pictures[1:])


def checked(data: bytes) -> CheckedImage:
    return check_images([SimpleUploadedFile("a.gif", data)])[0]


def looks_like_the_scene(image: Image.Image) -> bool:
    pixels = np.asarray(image.convert("RGB").resize(scene().size), dtype=float)
    return bool(np.abs(pixels - np.asarray(scene(), dtype=float)).mean() < 15)


@pytest.mark.parametrize("start", ["white", "black"])
@pytest.mark.parametrize("image_format", FORMATS)
def test_an_animation_that_fades_in_is_shown_by_a_frame_with_content(
    image_format: str, start: str
) -> None:
    data = fading_in(image_format, start)
    image = checked(data)
    assert image.is_animated
    seen = [Image.open(io.BytesIO(file)) for file in image.renditions.values()]
    seen += [decode_ahead(lambda: data).result(), decode_upload(SimpleUploadedFile("a", data))]
    assert all(map(looks_like_the_scene, seen))


@pytest.mark.parametrize("image_format", FORMATS)
def test_the_first_frame_stands_for_others_if_it_shows_something(image_format: str) -> None:
    frames = [scene().rotate(180), scene()]
    data = encoded(scene(), image_format, save_all=True, append_images=frames)
    assert looks_like_the_scene(decode_upload(SimpleUploadedFile("a", data)))


def test_transparent_frames_are_empty() -> None:
    clear = Image.new("RGBA", scene().size, (0, 0, 0, 0))
    data = encoded(clear, "WEBP", save_all=True, append_images=[clear, scene().convert("RGBA")])
    assert looks_like_the_scene(decode_upload(SimpleUploadedFile("a", data)))


def test_few_frames_of_a_large_canvas_are_looked_at() -> None:
    """Looking for one costs no more than decoding a large picture."""
    canvas = Image.new("L", (3000, 2000), "white")
    frames = [canvas.copy() for _ in range(20)]
    for number, frame in enumerate(frames):
        frame.putpixel((number, 0), 0)  # Pillow merges equal frames
    data = encoded(canvas, "GIF", save_all=True, append_images=frames)
    assert checked(data).is_animated


@pytest.mark.parametrize("image_format", ["JPEG", *FORMATS])
def test_a_still_picture_is_not_animated(image_format: str) -> None:
    assert not checked(encoded(scene(), image_format)).is_animated


def test_the_pages_of_a_document_are_no_animation() -> None:
    pages = [Image.new("RGB", (30, 30), "white"), scene()]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert checked(data).width == 30
