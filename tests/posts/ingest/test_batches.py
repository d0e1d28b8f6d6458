"""Batch sizes of a real worker."""

import time
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts.models import User
from posts.ingest import queue
from posts.models import AIStatus, Post, PostImage
from smimso import metrics
from smimso.queues import EMBED
from tests.ai.test_services import wait_for_models
from tests.posts.conftest import png
from tests.posts.ingest.test_pipeline_metrics import Change

IMAGES = 96
PATIENCE = 120.0  # seconds


@pytest.fixture
def _multiprocess(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process aggregate the metrics of all processes, as web does."""
    monkeypatch.setattr(metrics, "is_multiprocess", True)


def rows(owner: User) -> list[Any]:
    path = default_storage.save("posts/batch.png", ContentFile(png("red")))
    posts = Post.objects.bulk_create(Post(user=owner, title="One") for _ in range(IMAGES))
    images = PostImage.objects.bulk_create(
        PostImage(post=post, image_path=path, image_url="/batch.png", display_order=0)
        for post in posts
    )
    return [image.pk for image in images]


def batches(change: Change, step: str) -> float:
    return change.of(f'smimso_ai_batch_size_count{{step="{step}"}}')


@pytest.mark.usefixtures("_multiprocess", "worker")
def test_a_worker_fills_its_batches(owner: User) -> None:
    wait_for_models()
    change = Change()
    queue.enqueue(EMBED, rows(owner))
    deadline = time.monotonic() + PATIENCE
    while PostImage.objects.filter(ai_status=AIStatus.DONE).count() < IMAGES:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # One more than the minimum: the first batch may start before the last message is sent.
    assert batches(change, "embed") <= IMAGES / settings.AI_EMBED_BATCH + 1
    assert batches(change, "caption") <= IMAGES / settings.AI_CAPTION_BATCH + 3
