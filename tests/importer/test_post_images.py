"""Files and vectors of the old backend."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts.models import User
from ai import vector_space
from ai.models import Column, State, VectorSpace
from posts.ingest.pipeline import reconcile
from posts.models import AIStatus, PostImage
from tests.importer.node_database import NodeDatabase
from tests.importer.summary import counts

pytestmark = pytest.mark.django_db
MODEL = "ViT-B-32-quickgelu/openai"
WEB = "https://images.example/a.jpg"
Run = Callable[..., str]
Picture = Callable[..., bytes]


def unit_vector(*, zeros: int = 0, length: float = 1.0) -> list[float]:
    vector = np.random.default_rng(7).normal(size=512)
    vector[512 - zeros :] = 0
    return (vector / np.linalg.norm(vector) * length).tolist()


def stored(image_id: UUID) -> PostImage:
    return PostImage.objects.get(pk=image_id)


# --- Files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["/uploads/a b.jpg", "uploads/a b.jpg", "a%20b.jpg", "/uploads/x/../a b.jpg"]
)
def test_a_local_file_is_stored(
    node: NodeDatabase, run_import: Run, uploads: Path, picture: Picture, url: str
):
    (uploads / "a b.jpg").write_bytes(picture(size=(600, 400)))
    image_id = node.image(url)
    run_import(node, uploads_dir=uploads)
    image = stored(image_id)
    assert image.image_path == f"posts/{image_id}.jpg"
    assert image.image_url == f"/uploads/posts/{image_id}.jpg"
    assert (image.width, image.height) == (600, 400)
    assert image.file_size == default_storage.size(image.image_path)
    assert len(image.checksum) == 64
    assert image.placeholder.startswith("data:image/webp")
    assert default_storage.exists(f"posts/{image_id}.thumbnail.webp")
    assert (image.ai_status, image.ai_queued_at) == (AIStatus.PENDING, None)


def test_the_reconciler_queues_images_to_embed(
    node: NodeDatabase, run_import: Run, uploads: Path, picture: Picture
):
    (uploads / "a.jpg").write_bytes(picture())
    node.image("/uploads/a.jpg")
    node.image(WEB)
    run_import(node, uploads_dir=uploads)
    assert reconcile() == 1


def test_web_addresses_stay(node: NodeDatabase, run_import: Run, uploads: Path):
    bucket = "https://x.supabase.co/storage/v1/object/public/uploads/posts/a.jpg"
    images = [node.image(url) for url in (WEB, bucket)]
    run_import(node, uploads_dir=uploads)
    for image_id, url in zip(images, (WEB, bucket), strict=True):
        image = stored(image_id)
        assert (image.image_url, image.image_path) == (url, "")
        assert image.ai_status == AIStatus.FAILED
        assert image.ai_error.startswith("External image")


def test_a_copy_of_the_bucket_is_used(
    node: NodeDatabase, run_import: Run, uploads: Path, picture: Picture
):
    (uploads / "posts").mkdir()
    (uploads / "posts" / "a.png").write_bytes(picture(format="PNG"))
    url = "https://x.supabase.co/storage/v1/object/public/uploads/posts/a.png"
    image_id = node.image(url)
    run_import(node)
    assert stored(image_id).image_url == url
    run_import(node, uploads_dir=uploads)  # a later run adds the missing file
    assert stored(image_id).image_path == f"posts/{image_id}.png"
    assert stored(image_id).ai_status == AIStatus.PENDING


@pytest.mark.parametrize(
    "url",
    [
        *("/uploads/gone.jpg", "/uploads/../secret.jpg", "/uploads/link.jpg", "/uploads/%00.jpg"),
        *("", "/uploads/", f"/uploads/{'x' * 5000}", "http://[broken/a.jpg"),
        *("data:image/png;base64,AA", "javascript:alert(1)"),
    ],
)
def test_missing_files_and_ways_out_of_the_directory(
    node: NodeDatabase, run_import: Run, uploads: Path, picture: Picture, url: str
):
    secret = uploads.parent / "secret.jpg"
    secret.write_bytes(picture())
    (uploads / "link.jpg").symlink_to(secret)
    image_id = node.image(url)
    summary = run_import(node, uploads_dir=uploads)
    image = stored(image_id)
    assert (image.image_path, image.ai_status) == ("", AIStatus.FAILED)
    assert image.ai_error
    assert not image.image_url.startswith(("data:", "javascript:"))
    assert f"post_images: 1 × {image.ai_error} (e.g. {image_id})" in summary


def test_without_an_uploads_directory(node: NodeDatabase, run_import: Run):
    image_id = node.image("/uploads/a.jpg")
    run_import(node)
    assert stored(image_id).ai_error.endswith("no uploads directory was given")


def test_broken_files_and_their_neighbours(
    node: NodeDatabase, run_import: Run, uploads: Path, picture: Picture
):
    (uploads / "page.jpg").write_bytes(b"<html><script>alert(1)</script>")
    (uploads / "half.jpg").write_bytes(picture(size=(900, 900))[:1500])
    (uploads / "good.jpg").write_bytes(picture())
    page, half, good = (node.image(f"/uploads/{name}.jpg") for name in ("page", "half", "good"))
    run_import(node, uploads_dir=uploads)
    for image_id in (page, half):
        assert stored(image_id).ai_status == AIStatus.FAILED
        assert "not a readable image" in stored(image_id).ai_error
        assert not default_storage.exists(f"posts/{image_id}.jpg")
    assert stored(good).image_path


def test_files_of_an_interrupted_run_are_overwritten(
    node: NodeDatabase, run_import: Run, uploads: Path, picture: Picture
):
    (uploads / "a.jpg").write_bytes(picture())
    image_id = node.image("/uploads/a.jpg")
    default_storage.save(f"posts/{image_id}.jpg", ContentFile(b"the first half of"))
    run_import(node, uploads_dir=uploads)
    image = stored(image_id)
    assert image.image_path == f"posts/{image_id}.jpg"
    assert default_storage.size(image.image_path) == image.file_size


def test_avatars_and_covers(node: NodeDatabase, run_import: Run, uploads: Path, picture: Picture):
    (uploads / "me.png").write_bytes(picture(format="PNG"))
    local = node.user(avatar_url="/uploads/me.png", cover_url="/uploads/me.png")
    web = node.user(avatar_url=WEB, cover_url="javascript:alert(1)")
    gone = node.user(avatar_url="/uploads/gone.png")
    summary = run_import(node, uploads_dir=uploads)
    user = User.objects.get(pk=local)
    for url, folder in ((user.avatar_url, "avatars"), (user.cover_url, "covers")):
        assert url is not None
        assert url.startswith(f"/uploads/{folder}/")
        assert default_storage.exists(url.removeprefix("/uploads/"))
    user = User.objects.get(pk=web)
    assert (user.avatar_url, user.cover_url) == (WEB, None)
    assert User.objects.get(pk=gone).avatar_url is None
    assert "users: 1 × avatar_url not imported: The image file is missing" in summary
    (uploads / "gone.png").write_bytes(picture(format="PNG"))
    tables = counts(run_import(node, uploads_dir=uploads))
    assert tables["users"]["updated"] == 1
    assert (User.objects.get(pk=gone).avatar_url or "").startswith("/uploads/avatars/")


# --- Vectors ------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _model(settings: Any) -> None:
    settings.AI_CLIP_MODEL, settings.AI_CLIP_PRETRAINED = MODEL.split("/")


@pytest.mark.parametrize(("caption", "status"), [("a boat", "done"), (None, "embedded")])
def test_a_good_vector_of_a_known_model_is_imported(
    node: NodeDatabase,
    run_import: Run,
    uploads: Path,
    picture: Picture,
    caption: str | None,
    status: str,
):
    (uploads / "a.jpg").write_bytes(picture())
    image_id = node.image("/uploads/a.jpg", embedding=str(unit_vector()), ai_caption=caption)
    run_import(node, uploads_dir=uploads, clip_model=MODEL)
    image = stored(image_id)
    assert (image.embedding_model, image.ai_status) == (MODEL, status)
    assert image.embedding is not None
    assert np.allclose(image.embedding, unit_vector(), atol=1e-6)


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (unit_vector(zeros=128), "padded with zeros"),
        (unit_vector(length=0.8), "not of unit length"),
        ([0.5] * 4, "does not have 512 numbers"),
        ([float("nan")] * 512, "not all of its numbers are finite"),
        (["x"] * 512, "cannot be read"),
    ],
)
def test_images_with_invalid_vectors_are_embedded_again(
    node: NodeDatabase,
    run_import: Run,
    uploads: Path,
    picture: Picture,
    vector: list[float],
    reason: str,
):
    node.run("ALTER TABLE post_images ALTER embedding TYPE text")
    (uploads / "a.jpg").write_bytes(picture())
    text = f"[{','.join(map(str, vector))}]"
    image_id = node.image("/uploads/a.jpg", embedding=text, ai_caption="a boat")
    summary = run_import(node, uploads_dir=uploads, clip_model=MODEL)
    image = stored(image_id)
    assert image.embedding is None
    assert (image.embedding_model, image.ai_status) == ("", AIStatus.PENDING)
    assert reason in summary


def test_vectors_of_an_unknown_model_are_not_imported(node: NodeDatabase, run_import: Run):
    image_id = node.image(WEB, embedding=str(unit_vector()))
    assert "--clip-model does not say which model made it" in run_import(node)
    assert stored(image_id).embedding is None
    run_import(node, clip_model=MODEL)
    assert (stored(image_id).ai_status, stored(image_id).ai_error) == (AIStatus.DONE, "")


def test_images_with_a_vector_of_another_model_are_embedded_again(
    node: NodeDatabase, run_import: Run, uploads: Path, picture: Picture
):
    (uploads / "a.jpg").write_bytes(picture())
    vector = str(unit_vector())
    here = node.image("/uploads/a.jpg", embedding=vector, ai_caption="a boat")
    there = node.image(WEB, embedding=vector)
    summary = run_import(node, uploads_dir=uploads, clip_model="other/model")
    assert f"vector not imported: other/model made it, searches use {MODEL}" in summary
    for image_id, status in ((here, AIStatus.PENDING), (there, AIStatus.FAILED)):
        image = stored(image_id)
        assert (image.embedding, image.embedding_model, image.ai_status) == (None, "", status)
    assert reconcile() == 1


def test_the_active_model_decides_and_not_the_settings(node: NodeDatabase, run_import: Run):
    VectorSpace.objects.create(column=Column.SEARCHED, name="other/model", state=State.ACTIVE)
    image_id = node.image(WEB, embedding=str(unit_vector()))
    run_import(node, clip_model=MODEL)
    assert stored(image_id).embedding is None
    run_import(node, clip_model="other/model")
    assert (stored(image_id).embedding_model, stored(image_id).ai_status) == ("other/model", "done")


def test_an_empty_collection_starts_in_the_space_of_the_imported_vectors(
    node: NodeDatabase, run_import: Run, settings: Any
):
    node.image(WEB, embedding=str(unit_vector()))
    run_import(node, clip_model=MODEL, dry_run=True)
    assert not VectorSpace.objects.exists()
    run_import(node, clip_model=MODEL)
    settings.AI_CLIP_MODEL = "another"
    assert vector_space.active_space().name == MODEL


def test_results_of_the_ai_are_not_overwritten(node: NodeDatabase, run_import: Run):
    image_id = node.image(WEB, ai_caption="old", embedding=str(unit_vector()))
    run_import(node)
    images = PostImage.objects.filter(pk=image_id)
    images.update(embedding=unit_vector(), embedding_model="ours", ai_caption="new")
    run_import(node, clip_model=MODEL)
    assert (stored(image_id).embedding_model, stored(image_id).ai_caption) == ("ours", "new")
