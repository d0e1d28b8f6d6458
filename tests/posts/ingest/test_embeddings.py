"""Vectors of two models, each stored in its own column even while the columns are swapped."""

import json
from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np
import pytest
from django.core.files.storage import default_storage
from PIL import Image

from ai import vector_space
from ai.errors import ModelUnavailable
from ai.models import Column, State, VectorSpace
from posts.ingest import decode_cache, embeddings, queue
from posts.ingest.pipeline import embed_images
from posts.models import Post, PostImage
from posts.tasks import fill_vectors
from smimso.errors import Unavailable
from tests.posts.conftest import ColourEngine, Queues, vector_of
from tests.posts.ingest.test_pipeline_metrics import Change

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queues")]
NewPost = Callable[..., Post]
FIRST, SECOND = "colours/histogram", "colours/turned"
MAX_ATTEMPTS = 5  # settings.AI_MAX_ATTEMPTS


class TurnedEngine(ColourEngine):
    """An engine of another space: the same vectors with their entries in reverse order."""

    clip_name = SECOND

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return super().embed_images(images)[:, ::-1].copy()


@pytest.fixture
def turned() -> TurnedEngine:
    return TurnedEngine()


@pytest.fixture
def two_spaces(db: None) -> None:
    VectorSpace.objects.create(column=Column.SEARCHED, name=FIRST, state=State.ACTIVE)
    VectorSpace.objects.create(column=Column.SECONDARY, name=SECOND, state=State.BACKFILLING)


def swap() -> None:
    """Swap the rows of the spaces as `search.reembedding.services` does."""
    VectorSpace.objects.filter(column=Column.SEARCHED).update(name=SECOND)
    VectorSpace.objects.filter(column=Column.SECONDARY).update(name=FIRST, state=State.RETAINED)


def images() -> list[PostImage]:
    return list(PostImage.objects.order_by("post__created_at", "display_order"))


def fill(*engines: ColourEngine) -> UUID | None:
    return embeddings.backfill(engines, after=None, until=None)


def test_the_first_vector_determines_the_space_of_the_collection(
    new_post: NewPost, engine: ColourEngine
) -> None:
    new_post("red")
    embed_images([images()[0].pk], engine)
    space = VectorSpace.objects.get()
    assert (space.column, space.name, space.state) == ("embedding", FIRST, "active")
    assert vector_space.active_space().name == FIRST


@pytest.mark.usefixtures("two_spaces")
def test_a_new_image_gets_a_vector_of_each_model(
    new_post: NewPost, engine: ColourEngine, turned: TurnedEngine
) -> None:
    new_post("red", "blue")
    embed_images([image.pk for image in images()], engine, [turned])
    for colour, image in zip(("red", "blue"), images(), strict=True):
        assert (image.embedding_model, image.next_embedding_model) == (FIRST, SECOND)
        assert np.allclose(image.embedding, vector_of(colour))
        assert np.allclose(image.next_embedding, vector_of(colour)[::-1])


@pytest.mark.usefixtures("two_spaces")
def test_vectors_land_in_the_right_columns_if_the_columns_are_swapped_meanwhile(
    new_post: NewPost, engine: ColourEngine, turned: TurnedEngine
) -> None:
    new_post("red")
    embed = engine.embed_images

    def overtaken(pictures: Sequence[Image.Image]) -> np.ndarray:
        swap()
        return embed(pictures)

    engine.embed_images = overtaken  # type: ignore[method-assign]
    embed_images([images()[0].pk], engine, [turned])
    (image,) = images()
    assert (image.embedding_model, image.next_embedding_model) == (SECOND, FIRST)
    assert np.allclose(image.embedding, vector_of("red")[::-1])


@pytest.mark.usefixtures("two_spaces")
def test_a_batch_with_vectors_of_the_previous_model_only_is_repeated(
    new_post: NewPost, engine: ColourEngine, turned: TurnedEngine
) -> None:
    new_post("red")
    swap()
    with pytest.raises(embeddings.VectorSpaceChanged):
        embed_images([images()[0].pk], engine)
    (image,) = images()
    assert (image.ai_status, image.ai_attempts, image.embedding) == ("pending", 0, None)
    embed_images([image.pk], turned)
    (image,) = images()
    assert (image.ai_status, image.embedding_model) == ("embedded", SECOND)


@pytest.mark.usefixtures("two_spaces")
def test_backfill_computes_only_missing_vectors(
    new_post: NewPost, engine: ColourEngine, turned: TurnedEngine, settings: object
) -> None:
    new_post("red", "green", "blue")
    ids = [image.pk for image in images()]
    embed_images(ids[:2], engine)
    embed_images(ids[2:], engine, [turned])
    engine.batches.clear()
    turned.batches.clear()
    last = fill(engine, turned)
    assert last == max(ids[:2])
    assert fill(engine, turned) is None
    assert (engine.batches, turned.batches) == ([], [2])
    for colour, image in zip(("red", "green", "blue"), images(), strict=True):
        assert image.next_embedding_model == SECOND
        assert np.allclose(image.next_embedding, vector_of(colour)[::-1])


@pytest.mark.usefixtures("two_spaces")
def test_backfill_computes_in_chunks_of_the_engine(
    new_post: NewPost, engine: ColourEngine, turned: TurnedEngine
) -> None:
    new_post("red", "green", "blue")
    embed_images([image.pk for image in images()], engine)
    engine.embed_batch_size = 2
    assert fill(engine, turned) == max(image.pk for image in images())
    assert turned.batches == [2, 1]
    assert {image.next_embedding_model for image in images()} == {SECOND}


@pytest.mark.usefixtures("two_spaces")
def test_backfill_after_the_swap_repairs_images_that_search_would_miss(
    new_post: NewPost, engine: ColourEngine, turned: TurnedEngine
) -> None:
    new_post("red")
    swap()
    PostImage.objects.update(
        ai_status="done", next_embedding=vector_of("red"), next_embedding_model=FIRST
    )
    fill(turned, engine)
    (image,) = images()
    assert image.embedding_model == SECOND
    assert np.allclose(image.embedding, vector_of("red")[::-1])
    assert image.ai_status == "done"


@pytest.mark.usefixtures("two_spaces")
def test_a_worker_without_a_model_computes_nothing_and_counts_no_attempt(
    new_post: NewPost, engine: ColourEngine
) -> None:
    new_post("red")
    embed_images([images()[0].pk], engine)
    with pytest.raises(Unavailable):
        fill()
    assert images()[0].fill_attempts == 0


@pytest.mark.usefixtures("two_spaces")
def test_ranges_of_ids_divide_the_work(
    new_post: NewPost, engine: ColourEngine, turned: TurnedEngine
) -> None:
    new_post("red", "green", "blue")
    ids = sorted(image.pk for image in images())
    embed_images(ids, engine)
    assert embeddings.backfill([engine, turned], after=ids[0], until=ids[1]) == ids[1]
    filled = PostImage.objects.filter(next_embedding_model=SECOND)
    assert [image.pk for image in filled] == [ids[1]]


@pytest.mark.usefixtures("two_spaces")
def test_images_that_always_fail_are_given_up_and_harm_no_neighbour(
    new_post: NewPost,
    engine: ColourEngine,
    turned: TurnedEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decode_cache, "MAX_CACHED_BYTES", 0)
    new_post("red", "green", "blue")
    embed_images([image.pk for image in images()], engine)
    default_storage.delete(images()[0].image_path)
    turned.rejected = {"green"}
    fill(engine, turned)
    assert [image.next_embedding_model for image in images()] == ["", "", SECOND]
    assert [image.fill_attempts for image in images()] == [MAX_ATTEMPTS, 1, 0]
    assert {image.ai_status for image in images()} == {"embedded"}
    for _ in range(MAX_ATTEMPTS):
        fill(engine, turned)
    assert fill(engine, turned) is None
    assert [image.embedding_model for image in images()] == [FIRST] * 3


@pytest.mark.usefixtures("two_spaces")
def test_a_model_that_is_missing_counts_no_attempt(
    new_post: NewPost, engine: ColourEngine, turned: TurnedEngine
) -> None:
    new_post("red")
    embed_images([images()[0].pk], engine)
    turned.missing = {"clip"}
    with pytest.raises(ModelUnavailable):
        fill(engine, turned)
    assert images()[0].fill_attempts == 0


@pytest.mark.usefixtures("two_spaces")
def test_images_hosted_elsewhere_are_skipped(
    new_post: NewPost, engine: ColourEngine, turned: TurnedEngine, queues: Queues
) -> None:
    new_post("red")
    PostImage.objects.update(
        image_path="", embedding=vector_of("red"), embedding_model=FIRST, ai_status="done"
    )
    assert fill(engine, turned) is None


@pytest.mark.usefixtures("two_spaces")
def test_backfill_has_the_same_metrics_as_embedding(
    new_post: NewPost, engine: ColourEngine, turned: TurnedEngine
) -> None:
    new_post("red", "green", "blue", "black")
    embed_images([image.pk for image in images()], engine)
    decode_cache.clear()
    default_storage.delete(images()[0].image_path)
    turned.rejected = {"green"}
    change = Change()
    fill(engine, turned)
    assert change.of('smimso_ai_images_total{step="fill"}') == 2
    assert change.of('smimso_ai_batch_size_sum{step="fill"}') == 4
    assert change.of('smimso_ai_decode_seconds_count{step="fill"}') == 4
    assert change.of('smimso_ai_failures_total{step="fill"}') == 1
    assert change.of('smimso_ai_failures_total{step="decode"}') == 1


def test_the_wait_of_a_backfill_message_is_measured(queues: Queues, db: None) -> None:
    queue.send_backfill(7, None, None)
    [message] = queues.client.lrange("fill", 0, -1)
    change = Change()
    fill_vectors.push_request(**json.loads(message)["headers"])
    fill_vectors.run(7, None, None)
    fill_vectors.pop_request()
    assert change.of('smimso_ai_queue_wait_seconds_count{queue="fill"}') == 1
