"""A change of the model that would drop images from search waits for an operator."""

from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from accounts.models import User
from ai import vector_space
from ai.models import Column, State, VectorSpace
from posts.ingest import embeddings
from posts.models import Post, PostImage
from search.reembedding import progress
from search.reembedding import services as reembedding
from smimso.errors import InvalidInput
from tests.posts.conftest import png
from tests.search.conftest import clustered, insert_many, pointing

pytestmark = pytest.mark.django_db
FIRST, SECOND = "local-dir/clip", "ViT-B-32/laion2b_s34b_b79k"
Knows = Callable[..., None]


class NextModel:
    clip_name = SECOND
    embed_batch_size = 16

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return np.array([pointing(0, 1)] * len(images))


@pytest.fixture
def images(owner: User, knows: Knows, settings: Any, tmp_path: Path) -> Callable[[int], None]:
    """`images(n)`: n images in a storage without files, and a worker that knows both models."""
    settings.MEDIA_ROOT = tmp_path

    def make(count: int) -> None:
        insert_many(owner, clustered(count), ["public"])
        PostImage.objects.update(embedding_model=FIRST, image_path="posts/shared.png")
        knows(FIRST, SECOND)

    return make


def try_all() -> None:
    """Do the work of the workers until nothing is left to do."""
    while embeddings.backfill([NextModel()], after=None, until=None):
        pass


def searched() -> str:
    return VectorSpace.objects.get(column=Column.SEARCHED).name


def note() -> str:
    return VectorSpace.objects.get(column=Column.SECONDARY).note


def now() -> progress.Progress:
    found = progress.current_progress()
    assert found is not None
    return found


def start_with_unreadable_images(images: Callable[[int], None]) -> None:
    images(3)
    reembedding.start("laion2b")
    try_all()
    reembedding.advance()


def test_an_unavailable_storage_completes_nothing(images: Callable[[int], None]) -> None:
    start_with_unreadable_images(images)
    assert searched() == FIRST
    assert (now().remaining, now().unreadable, now().losses, now().needs_decision) == (
        0,
        3,
        3,
        True,
    )
    assert note().endswith("continue or cancel: 3")


def test_images_are_tried_again_when_the_storage_is_back(images: Callable[[int], None]) -> None:
    start_with_unreadable_images(images)
    default_storage.save("posts/shared.png", ContentFile(png("red")))
    try_all()
    assert now().remaining == 0  # no retry was requested
    reembedding.retry_failed()
    assert (now().remaining, now().needs_decision) == (3, False)
    try_all()
    reembedding.advance()
    assert searched() == SECOND
    assert PostImage.objects.searchable(SECOND).count() == 3


def test_an_operator_accepts_losses_and_a_rollback_restores_them(
    images: Callable[[int], None],
) -> None:
    start_with_unreadable_images(images)
    reembedding.accept_losses()
    reembedding.advance()
    assert searched() == SECOND
    assert PostImage.objects.searchable(SECOND).count() == 0
    reembedding.roll_back()
    assert now().losses == 0
    reembedding.advance()
    assert searched() == FIRST
    assert PostImage.objects.searchable(FIRST).count() == 3


def test_only_as_many_losses_as_accepted_are_tolerated(images: Callable[[int], None]) -> None:
    start_with_unreadable_images(images)
    reembedding.accept_losses()
    insert = Post.objects.first()
    assert insert is not None
    PostImage.objects.create(
        post=insert, image_url="https://a.example/b.jpg", embedding_model=FIRST
    )
    reembedding.advance()
    assert searched() == FIRST


@pytest.mark.parametrize(("lost", "then"), [(2, SECOND), (3, FIRST)])
def test_one_in_a_hundred_may_be_lost(images: Callable[[int], None], lost: int, then: str) -> None:
    images(200)
    reembedding.start("laion2b")
    unreadable = list(PostImage.objects.values_list("pk", flat=True)[:lost])
    PostImage.objects.filter(pk__in=unreadable).update(fill_attempts=5)
    others = PostImage.objects.exclude(pk__in=unreadable)
    others.update(next_embedding=pointing(1), next_embedding_model=SECOND)
    reembedding.advance()
    assert searched() == then


def test_images_hosted_elsewhere_count_as_losses(images: Callable[[int], None]) -> None:
    images(3)
    PostImage.objects.update(image_path="")
    reembedding.start("laion2b")
    reembedding.advance()
    assert searched() == FIRST
    assert (now().without_file, now().losses, now().needs_decision) == (3, 3, True)


def test_there_is_nothing_to_decide_before_all_has_been_tried(
    images: Callable[[int], None],
) -> None:
    with pytest.raises(InvalidInput):
        reembedding.retry_failed()
    images(3)
    reembedding.start("laion2b")
    with pytest.raises(InvalidInput, match="needs no decision"):
        reembedding.accept_losses()


def test_purged_vectors_leave_no_attempts_behind(images: Callable[[int], None]) -> None:
    start_with_unreadable_images(images)
    reembedding.cancel()
    reembedding.advance()
    assert not PostImage.objects.filter(fill_attempts__gt=0).exists()
    assert not VectorSpace.objects.filter(column=Column.SECONDARY).exists()


# --- Counting ---------------------------------------------------------------------------------


def test_a_slow_count_is_cached_until_the_change_moves_on(
    images: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "MIN_CACHED_SECONDS", -1.0)
    monkeypatch.setattr(progress, "CACHE_FACTOR", 1_000_000)
    start_with_unreadable_images(images)
    progress.current_progress()
    with CaptureQueriesContext(connection) as queries:
        progress.current_progress()
        reembedding.advance()
    assert not [query for query in queries if "COUNT" in query["sql"]]
    with CaptureQueriesContext(connection) as queries:
        progress.current_progress(fresh=True)
        reembedding.retry_failed()
        progress.current_progress()
    assert len([query for query in queries if "COUNT" in query["sql"]]) == 2


# --- Command and admin --------------------------------------------------------------------------


def command(*words: str) -> str:
    out = StringIO()
    call_command("change_model", *words, stdout=out)
    return out.getvalue()


def test_the_command_ends_where_an_operator_has_to_decide(images: Callable[[int], None]) -> None:
    start_with_unreadable_images(images)
    assert "3 images would drop out of search: restore their files and --retry" in command(
        "laion2b"
    )
    said = command("--anyway")
    assert f"Searched: {SECOND}. Second model: {FIRST} (kept)." in said
    with pytest.raises(CommandError, match="needs no decision"):
        command("--anyway")


def test_the_command_retries_images(images: Callable[[int], None]) -> None:
    start_with_unreadable_images(images)
    default_storage.save("posts/shared.png", ContentFile(png("red")))
    reembedding.retry_failed()
    try_all()
    assert f"Searched: {SECOND}." in command("laion2b")
    assert "3 of 3 images have vectors of both" in command("--retry")


def test_the_admin_asks_and_continues(
    images: Callable[[int], None], client: Client, member: Callable[..., User]
) -> None:
    client.force_login(member("Admin", is_staff=True, is_superuser=True))
    images(3)
    client.post("/admin/ai/model", {"action": "start", "model": "laion2b"})
    assert 'value="go_on"' not in client.get("/admin/ai/").text
    try_all()
    reembedding.advance()
    page = client.get("/admin/ai/").text
    assert "3 pictures have no vector of the next model" in page
    assert 'value="try_again"' in page
    page = client.get("/admin/ai/", headers={"accept-language": "vi"}).text
    assert "3 ảnh không có vectơ của mô hình kế tiếp" in page
    client.post("/admin/ai/model", {"action": "try_again"})
    assert now().remaining == 3
    try_all()
    client.post("/admin/ai/model", {"action": "go_on"})
    reembedding.advance()
    assert (searched(), vector_space.all_spaces()[1].state) == (SECOND, State.RETAINED)
