"""The pipeline with real models on two hundred pictures: each row gets its own vector."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image, ImageDraw

from accounts.models import User
from ai.engine import Engine
from posts.ingest.pipeline import caption_images, embed_images
from posts.models import AIStatus, Post, PostImage

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("queues")]
MODELS = Path("ai/demo_models").resolve()
PICTURES, CORRUPT = 200, 10


@pytest.fixture(scope="module")
def demo() -> Engine:
    return Engine(
        clip_model=f"local-dir:{MODELS / 'clip'}",
        clip_pretrained="",
        blip_model=str(MODELS / "blip"),
        device="cpu",
        dtype="fp32",
    )


def drawn(number: int) -> Image.Image:
    """Draw a disc and a bar whose positions and colours follow from the number."""
    numbers = random.Random(number)
    image = Image.new("RGB", (128, 96), tuple(numbers.randbytes(3)))
    draw = ImageDraw.Draw(image)
    for shape in (draw.ellipse, draw.rectangle):
        x, y, side = numbers.randrange(90), numbers.randrange(60), numbers.randrange(20, 60)
        shape((x, y, x + side, y + side // 2), fill=tuple(numbers.randbytes(3)))
    return image


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def rows_of(owner: User, files: list[bytes]) -> list[PostImage]:
    posts = Post.objects.bulk_create(Post(user=owner, title="One") for _ in files)
    return PostImage.objects.bulk_create(
        PostImage(
            post=post,
            image_path=default_storage.save("posts/one.png", ContentFile(data)),
            image_url="/one.png",
            display_order=0,
        )
        for post, data in zip(posts, files, strict=True)
    )


def test_shuffled_images_get_their_own_vectors_among_corrupt_ones(
    owner: User, demo: Engine
) -> None:
    pictures = [drawn(number) for number in range(PICTURES)]
    corrupt = set(random.Random(1).sample(range(PICTURES), CORRUPT))
    files = [encoded(picture) for picture in pictures]
    for number in corrupt:
        files[number] = files[number][: len(files[number]) // 2]
    images = rows_of(owner, files)
    shuffled = [image.pk for image in images]
    random.Random(2).shuffle(shuffled)
    for start in range(0, PICTURES, 50):
        embed_images(shuffled[start : start + 50], demo)

    found = PostImage.objects.in_bulk(shuffled)
    whole = [number for number in range(PICTURES) if number not in corrupt]
    for number in corrupt:
        image = found[images[number].pk]
        assert (image.ai_status, image.embedding) == (AIStatus.FAILED, None)
        assert "not a readable image" in image.ai_error
    stored = np.stack([found[images[number].pk].embedding for number in whole])
    expected = demo.embed_images([pictures[number] for number in whole])
    assert (stored * expected).sum(axis=1).min() >= 0.9999
    nearest = (stored @ expected.T).argmax(axis=1)
    assert (nearest == np.arange(len(whole))).mean() == 1.0
    assert {found[images[n].pk].embedding_model for n in whole} == {demo.clip_name}


def test_captions_of_a_batch_are_those_of_single_images(owner: User, demo: Engine) -> None:
    pictures = [drawn(number) for number in range(12)]
    images = rows_of(owner, [encoded(picture) for picture in pictures])
    pks = [image.pk for image in images]
    embed_images(pks, demo)
    caption_images(pks, demo)
    found = PostImage.objects.in_bulk(pks)
    single = [demo.caption_images([picture])[0] or None for picture in pictures]
    assert [found[pk].ai_caption for pk in pks] == single
    assert len(set(single)) > 1
