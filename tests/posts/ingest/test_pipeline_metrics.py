"""Metrics of the pipeline."""

import json
import time
from collections.abc import Callable

import pytest
from django.core.files.storage import default_storage

from ai import metrics as ai_metrics
from posts.ingest import pipeline, queue
from posts.models import Post, PostImage
from smimso import metrics
from smimso.queues import EMBED
from tests.posts.conftest import ColourEngine, Queues
from tests.smimso.test_metrics import value_of

pytestmark = pytest.mark.django_db


class Change:
    """The growth of samples since this object was created."""

    def __init__(self) -> None:
        self.before = metrics.render().decode()

    def of(self, sample: str) -> float:
        return value_of(metrics.render().decode(), sample) - value_of(self.before, sample)


def test_steps_count_batches_decoded_files_and_images(
    new_post: Callable[..., Post], engine: ColourEngine, queues: Queues
) -> None:
    ids = list(new_post("red", "green", "blue").images.values_list("pk", flat=True))
    change = Change()
    pipeline.embed_images(ids, engine)
    pipeline.embed_images(ids, engine)  # a message that comes twice does nothing
    for step, images in (("embed", 3), ("caption", 0)):
        assert change.of(f'smimso_ai_images_total{{step="{step}"}}') == images
        assert change.of(f'smimso_ai_decode_seconds_count{{step="{step}"}}') == images
        assert change.of(f'smimso_ai_batch_size_sum{{step="{step}"}}') == images
    assert change.of('smimso_ai_batch_size_count{step="embed"}') == 1
    pipeline.caption_images(ids, engine)
    assert change.of('smimso_ai_images_total{step="caption"}') == 3
    assert change.of('smimso_ai_failures_total{step="embed"}') == 0


def test_failures_are_counted_by_step(
    new_post: Callable[..., Post], engine: ColourEngine, queues: Queues
) -> None:
    images = list(new_post("red", "green", "blue").images.all())
    default_storage.delete(images[0].image_path)
    engine.rejected = {"green"}
    change = Change()
    pipeline.embed_images([image.pk for image in images], engine)
    assert change.of('smimso_ai_failures_total{step="decode"}') == 1
    assert change.of('smimso_ai_failures_total{step="embed"}') == 1
    assert change.of('smimso_ai_images_total{step="embed"}') == 1


def test_an_image_that_the_reconciler_gives_up_counts_as_a_failure(
    new_post: Callable[..., Post], queues: Queues
) -> None:
    new_post()
    PostImage.objects.update(ai_attempts=100, ai_queued_at=None)
    change = Change()
    pipeline.reconcile()
    assert change.of('smimso_ai_failures_total{step="given_up"}') == 1


def test_messages_carry_the_time_of_sending(new_post: Callable[..., Post], queues: Queues) -> None:
    image = new_post().images.get()
    queues.clear()
    queue.enqueue(EMBED, [image.pk])
    [message] = queues.client.lrange("embed", 0, -1)
    headers = json.loads(message)["headers"]
    assert float(headers[ai_metrics.SENT_AT_HEADER]) == pytest.approx(time.time(), abs=60)
    change = Change()
    ai_metrics.observe_queue_wait("embed", headers)
    ai_metrics.observe_queue_wait("embed", {})  # a message of an older version
    assert change.of('smimso_ai_queue_wait_seconds_count{queue="embed"}') == 1
