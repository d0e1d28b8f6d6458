"""Hash and colours of stored images: written at upload, and computed later for all others."""

from collections.abc import Callable

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from accounts.models import User
from ai.demo_models.drawing import draw_scene
from ai.demo_models.scenes import choose_demo_scenes
from posts.ingest.appearance_backfill import backfill_appearance
from posts.models import Post, PostImage
from posts.services import create_post
from tests.media.test_appearance import distance
from tests.media.test_images import encoded

pytestmark = pytest.mark.django_db


@pytest.fixture
def drawing(owner: User) -> PostImage:
    data = encoded(draw_scene(choose_demo_scenes(1)[0], 600), "JPEG", quality=90)
    post = create_post(author=owner, uploads=[SimpleUploadedFile("a.jpg", data, "image/jpeg")])
    return PostImage.objects.get(post=post)


def test_an_upload_has_a_hash_and_colours(
    drawing: PostImage, new_post: Callable[..., Post]
) -> None:
    assert drawing.perceptual_hash is not None
    assert drawing.colors
    (flat,) = PostImage.objects.filter(post=new_post("blue"))
    assert (flat.perceptual_hash, flat.colors) == (None, ["blue"])


def test_the_command_computes_the_appearance_of_old_images(
    drawing: PostImage, capsys: pytest.CaptureFixture[str]
) -> None:
    PostImage.objects.update(perceptual_hash=None, colors=None)
    call_command("fill_appearance")
    filled = PostImage.objects.get(pk=drawing.pk)
    assert distance(filled.perceptual_hash, drawing.perceptual_hash) <= 2  # from a lossy thumbnail
    assert filled.colors == drawing.colors
    assert "Processed 1 images" in capsys.readouterr().out
    assert backfill_appearance() == 0


def test_the_original_is_read_if_there_is_no_thumbnail(drawing: PostImage) -> None:
    PostImage.objects.update(perceptual_hash=None, colors=None)
    default_storage.delete(f"posts/{drawing.pk}.thumbnail.webp")
    assert backfill_appearance() == 1
    filled = PostImage.objects.get(pk=drawing.pk)
    assert distance(filled.perceptual_hash, drawing.perceptual_hash) <= 2


def test_a_missing_file_is_tried_once_and_an_external_image_never(drawing: PostImage) -> None:
    PostImage.objects.update(perceptual_hash=None, colors=None)
    PostImage.objects.create(post=drawing.post, image_url="https://a.example/b.jpg", image_path="")
    default_storage.delete(f"posts/{drawing.pk}.thumbnail.webp")
    default_storage.delete(drawing.image_path)
    assert backfill_appearance() == 1
    lost = PostImage.objects.get(pk=drawing.pk)
    assert (lost.perceptual_hash, lost.colors) == (None, [])
    assert backfill_appearance() == 0
