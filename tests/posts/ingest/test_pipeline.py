"""The pipeline: each image gets its own vector, no failure harms others, nothing runs twice."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from PIL import Image

from accounts.models import Category
from ai.errors import ModelUnavailable
from posts.ingest import decode_cache
from posts.ingest.pipeline import caption_images, embed_images, fill_writable_fields
from posts.models import AIStatus, Post, PostImage
from posts.services import retry_images
from tests.posts.conftest import ColourEngine, Queues, vector_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queues")]
NewPost = Callable[..., Post]
MAX_ATTEMPTS = 5  # settings.AI_MAX_ATTEMPTS


def ids(*posts: Post) -> list[UUID]:
    images = PostImage.objects.filter(post__in=posts).order_by("post__created_at", "display_order")
    return list(images.values_list("pk", flat=True))


def rows(*posts: Post) -> list[PostImage]:
    found = PostImage.objects.in_bulk(ids(*posts))
    return [found[pk] for pk in ids(*posts)]


def states(*posts: Post) -> list[tuple[str, int]]:
    return [(image.ai_status, image.ai_attempts) for image in rows(*posts)]


def work(engine: ColourEngine, *posts: Post) -> None:
    embed_images(ids(*posts), engine)
    caption_images(ids(*posts), engine)


# --- Steps ----------------------------------------------------------------------------------


def test_an_image_goes_from_pending_to_embedded_to_done(
    new_post: NewPost, engine: ColourEngine, queues: Queues
) -> None:
    post = new_post("red")
    embed_images(ids(post), engine)
    (image,) = rows(post)
    assert (image.ai_status, image.ai_attempts, image.ai_error) == (AIStatus.EMBEDDED, 0, "")
    assert image.embedding_model == "colours/histogram"
    assert np.allclose(image.embedding, vector_of("red"))
    assert (image.ai_caption, image.caption_model) == (None, "")
    assert queues["caption"] == [image.pk]

    caption_images(ids(post), engine)
    (image,) = rows(post)
    assert (image.ai_status, image.ai_attempts, image.ai_error) == (AIStatus.DONE, 0, "")
    assert image.ai_caption == "a red picture of nothing"
    assert image.caption_model == "colours/words"
    assert np.allclose(image.embedding, vector_of("red"))


def test_a_batch_is_one_call_and_each_image_gets_its_own_vector_and_caption(
    new_post: NewPost, engine: ColourEngine
) -> None:
    colours = ["red", "green", "blue", "black", "white"]
    posts = [new_post(colour) for colour in colours]
    work(engine, *reversed(posts))
    assert engine.batches == [5, 5]
    for colour, image in zip(colours, rows(*posts), strict=True):
        assert np.allclose(image.embedding, vector_of(colour))
        assert image.ai_caption == f"a {colour} picture of nothing"


def test_missing_and_corrupt_files_fail_alone_with_a_reason(
    new_post: NewPost, engine: ColourEngine, queues: Queues
) -> None:
    post = new_post("red", "green", "blue", "black")
    _, missing, corrupt, _ = rows(post)
    default_storage.delete(missing.image_path)
    with open(default_storage.path(corrupt.image_path), "wb") as file:
        file.write(b"no picture any more")
    embed_images(ids(post), engine)
    first, missing, corrupt, last = rows(post)
    assert engine.batches == [2]
    for colour, image in (("red", first), ("black", last)):
        assert (image.ai_status, image.ai_attempts) == (AIStatus.EMBEDDED, 0)
        assert np.allclose(image.embedding, vector_of(colour))
    assert (missing.ai_status, missing.ai_error) == ("failed", "The image file is missing")
    assert (corrupt.ai_status, corrupt.ai_error) == (
        "failed",
        "The file is not a readable image. "
        "Only JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP and TIFF are allowed.",
    )
    assert missing.embedding is corrupt.embedding is None
    assert queues["caption"] == [first.pk, last.pk]


def test_a_temporary_storage_error_fails_no_image(
    new_post: NewPost, engine: ColourEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = new_post("red")

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("django.core.files.base.File.read", broken, raising=False)
        embed_images(ids(post), engine)
    (image,) = rows(post)
    assert (image.ai_status, image.ai_attempts) == ("pending", 1)
    assert image.ai_error == "OSError: [Errno 5] Input/output error"
    embed_images(ids(post), engine)
    assert states(post) == [("embedded", 0)]


def test_a_batch_that_fails_is_retried_image_by_image(
    new_post: NewPost, engine: ColourEngine
) -> None:
    engine.max_batch_size = 1
    post = new_post("red", "green", "blue")
    work(engine, post)
    assert states(post) == [(AIStatus.DONE, 0)] * 3
    for colour, image in zip(("red", "green", "blue"), rows(post), strict=True):
        assert np.allclose(image.embedding, vector_of(colour))


def test_one_image_that_breaks_the_engine_harms_no_neighbour(
    new_post: NewPost, engine: ColourEngine
) -> None:
    engine.rejected = {"green"}
    post = new_post("red", "green", "blue")
    embed_images(ids(post), engine)
    assert states(post) == [("embedded", 0), ("pending", 1), ("embedded", 0)]
    assert rows(post)[1].ai_error == "ValueError: cannot process green"


def test_attempts_are_counted_and_the_last_one_fails_the_image(
    new_post: NewPost, engine: ColourEngine
) -> None:
    engine.rejected = {"red"}
    post = new_post("red")
    for attempt in range(1, MAX_ATTEMPTS):
        embed_images(ids(post), engine)
        assert states(post) == [("pending", attempt)]
    embed_images(ids(post), engine)
    assert states(post) == [("failed", MAX_ATTEMPTS)]
    assert rows(post)[0].ai_error == "ValueError: cannot process red"
    calls = len(engine.batches)
    embed_images(ids(post), engine)
    assert len(engine.batches) == calls
    assert states(post) == [("failed", MAX_ATTEMPTS)]


def test_an_attempt_is_counted_before_the_work_so_that_a_killed_worker_counts(
    new_post: NewPost, engine: ColourEngine
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    engine.embed_images = die  # type: ignore[method-assign]
    post = new_post("red")
    with pytest.raises(Killed):
        embed_images(ids(post), engine)
    assert states(post) == [("pending", 1)]


def test_a_success_clears_what_failed_before(new_post: NewPost, engine: ColourEngine) -> None:
    engine.rejected = {"red"}
    post = new_post("red")
    embed_images(ids(post), engine)
    engine.rejected = set()
    embed_images(ids(post), engine)
    (image,) = rows(post)
    assert (image.ai_status, image.ai_attempts, image.ai_error) == ("embedded", 0, "")


def test_images_with_a_failed_attempt_are_processed_alone(
    new_post: NewPost, engine: ColourEngine
) -> None:
    post = new_post("red", "green", "blue", "black")
    PostImage.objects.filter(pk__in=ids(post)[:2]).update(ai_attempts=1)
    embed_images(ids(post), engine)
    assert engine.batches == [2, 1, 1]
    assert states(post) == [("embedded", 0)] * 4


# --- A model that is missing ----------------------------------------------------------------


@pytest.mark.parametrize("attempts", [0, 2])
def test_a_missing_model_counts_no_attempt(
    new_post: NewPost, engine: ColourEngine, queues: Queues, attempts: int
) -> None:
    engine.missing = {"clip"}
    post = new_post("red", "blue")
    PostImage.objects.update(ai_attempts=attempts)
    with pytest.raises(ModelUnavailable):
        embed_images(ids(post), engine)
    assert states(post)[0] == ("pending", attempts)
    assert {status for status, _ in states(post)} == {"pending"}
    assert queues["caption"] == []


def test_a_missing_caption_model_leaves_images_searchable(
    new_post: NewPost, engine: ColourEngine
) -> None:
    engine.missing = {"blip"}
    post = new_post("red", "blue")
    embed_images(ids(post), engine)
    with pytest.raises(ModelUnavailable):
        caption_images(ids(post), engine)
    assert states(post) == [("embedded", 0)] * 2


def test_a_missing_model_counts_no_attempt_for_images_that_were_still_waiting(
    new_post: NewPost, engine: ColourEngine
) -> None:
    engine.embed_batch_size = 1
    engine.missing = {"clip"}
    post = new_post("red", "green", "blue")
    with pytest.raises(ModelUnavailable):
        embed_images(ids(post), engine)
    assert states(post) == [("pending", 0)] * 3


def test_no_more_than_two_chunks_are_decoded_however_large_the_batch(
    new_post: NewPost, engine: ColourEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.embed_batch_size = 2
    coming, embed = decode_cache.decode_async, engine.embed_images
    decoded, ahead = [], []

    def noted(image: PostImage) -> Any:
        decoded.append(image.pk)
        return coming(image)

    def embed_images_(images: Any) -> Any:
        ahead.append(len(decoded) - sum(engine.batches))
        return embed(images)

    monkeypatch.setattr(decode_cache, "decode_async", noted)
    engine.embed_images = embed_images_  # type: ignore[method-assign]
    posts = [new_post("red", "green", "blue"), new_post("black", "white", "red", "blue")]
    embed_images(ids(*posts), engine)
    assert ahead == [4, 4, 3, 1]
    assert states(*posts) == [("embedded", 0)] * 7


def test_a_model_that_goes_missing_halfway_counts_no_attempt_and_undoes_nothing(
    new_post: NewPost, engine: ColourEngine
) -> None:
    album, single = new_post("red", "blue"), new_post("green")
    engine.caption_batch_size = 1
    embed_images(ids(album, single), engine)
    label, calls = engine.label, []

    def gone_the_second_time(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            engine.missing.add("clip")
        return label(*arguments)

    engine.label = gone_the_second_time  # type: ignore[method-assign]
    with pytest.raises(ModelUnavailable):
        caption_images(ids(album, single), engine)
    found = states(album, single)
    assert ("done", 0) in found
    assert ("embedded", 0) in found
    assert {attempts for _, attempts in found} == {0}
    engine.missing.clear()
    caption_images(ids(album, single), engine)
    assert states(album, single) == [("done", 0)] * 3
    assert Post.objects.filter(caption__isnull=True).count() == 0


# --- Messages that come twice or late -------------------------------------------------------


def test_a_second_message_changes_nothing(new_post: NewPost, engine: ColourEngine) -> None:
    post = new_post("red", "blue")
    embed_images([*ids(post), *ids(post)], engine)
    embed_images(ids(post), engine)
    caption_images(ids(post), engine)
    before = list(PostImage.objects.order_by("pk").values())
    title = Post.objects.get().title
    work(engine, post)
    assert engine.batches == [2, 2]
    assert str(list(PostImage.objects.order_by("pk").values())) == str(before)
    assert Post.objects.get().title == title


def test_messages_for_deleted_images_or_other_states_are_ignored(
    new_post: NewPost, engine: ColourEngine
) -> None:
    post = new_post("red")
    caption_images(ids(post), engine)
    embed_images([uuid4()], engine)
    assert engine.batches == []
    assert states(post) == [("pending", 0)]


def test_two_workers_with_the_same_message_leave_the_image_done(
    new_post: NewPost, engine: ColourEngine
) -> None:
    """The slower worker must not reset the image to an earlier step."""
    post = new_post("red")
    embed = engine.embed_images

    def overtaken(images: Any) -> Any:
        vectors = embed(images)
        engine.embed_images = embed  # type: ignore[method-assign]
        PostImage.objects.update(ai_attempts=0)
        work(engine, post)
        return vectors

    engine.embed_images = overtaken  # type: ignore[method-assign]
    embed_images(ids(post), engine)
    assert states(post) == [("done", 0)]


def test_a_late_success_counts_although_the_image_was_given_up(
    new_post: NewPost, engine: ColourEngine
) -> None:
    post = new_post("red")
    embed = engine.embed_images

    def slow(images: Any) -> Any:
        PostImage.objects.update(ai_status=AIStatus.FAILED, ai_error="Given up")
        return embed(images)

    engine.embed_images = slow  # type: ignore[method-assign]
    embed_images(ids(post), engine)
    (image,) = rows(post)
    assert (image.ai_status, image.ai_error) == ("embedded", "")


def test_a_retry_during_the_work_is_not_lost(
    new_post: NewPost, engine: ColourEngine, django_capture_on_commit_callbacks: Any
) -> None:
    post = new_post("red")
    embed_images(ids(post), engine)
    caption = engine.caption_images

    def retried(images: Any) -> Any:
        retry_images(ids(post))
        return caption(images)

    engine.caption_images = retried  # type: ignore[method-assign]
    caption_images(ids(post), engine)
    assert states(post) == [("pending", 0)]


def test_an_image_deleted_during_the_work_is_no_obstacle(
    new_post: NewPost, engine: ColourEngine
) -> None:
    deleted_post, other = new_post("red"), new_post("blue")
    embed = engine.embed_images
    everything = ids(deleted_post, other)

    def deleted(images: Any) -> Any:
        deleted_post.delete()
        return embed(images)

    engine.embed_images = deleted  # type: ignore[method-assign]
    embed_images(everything, engine)
    assert states(other) == [("embedded", 0)]
    assert PostImage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_caption_waits_for_the_reconciler(
    new_post: NewPost, engine: ColourEngine, redis_away: None
) -> None:
    post = new_post("red")
    embed_images(ids(post), engine)
    (image,) = rows(post)
    assert (image.ai_status, image.ai_queued_at) == ("embedded", None)


def test_a_retry_starts_from_the_beginning(
    new_post: NewPost,
    engine: ColourEngine,
    queues: Queues,
    django_capture_on_commit_callbacks: Any,
) -> None:
    post = new_post("red", "blue")
    PostImage.objects.filter(pk=ids(post)[0]).update(
        ai_status="failed", ai_attempts=MAX_ATTEMPTS, ai_error="Given up"
    )
    external = PostImage.objects.create(
        post=post, image_url="https://a.example/b.jpg", display_order=9
    )
    with django_capture_on_commit_callbacks(execute=True):
        assert retry_images([ids(post)[0], external.pk, uuid4()]) == 1
    assert states(post)[0] == ("pending", 0)
    assert queues["embed"] == [ids(post)[0]]


# --- What the author left open --------------------------------------------------------------


def test_the_first_images_caption_fills_the_open_fields(
    new_post: NewPost, engine: ColourEngine
) -> None:
    category = Category.objects.latest("name")
    engine.category_prompt = category.prompt
    engine.category_score = 0.9
    post = new_post("red", "blue")
    work(engine, post)
    post.refresh_from_db()
    assert post.title == "A red picture of nothing"
    assert post.description == post.caption == "a red picture of nothing"
    assert post.tags == ["picture", "nothing"]
    assert post.category == category
    assert post.ai_writable_fields == []


def test_the_categories_of_a_batch_are_two_queries_and_one_call(
    new_post: NewPost, engine: ColourEngine
) -> None:
    category = Category.objects.latest("name")
    engine.category_prompt, engine.category_score = category.prompt, 0.9
    posts = [new_post("red", "blue"), new_post("green"), new_post("black")]
    embed_images(ids(*posts), engine)
    with CaptureQueriesContext(connection) as queries:
        caption_images(ids(*posts), engine)
    read = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    assert sum('FROM "categories"' in sql for sql in read) == 1
    assert sum('"embedding"' in sql for sql in read) == 1
    assert engine.labelled == [3]
    assert {post.category for post in Post.objects.all()} == {category}


def test_the_authors_words_stay(new_post: NewPost, engine: ColourEngine) -> None:
    category = Category.objects.earliest("name")
    other = Category.objects.latest("name")
    engine.category_prompt = other.prompt
    engine.category_score = 0.9
    post = new_post("red", title="T", description="D", tags=["t"], category_id=category.pk)
    work(engine, post)
    post.refresh_from_db()
    assert (post.title, post.description, post.tags) == ("T", "D", ["t"])
    assert post.category == category
    assert post.caption == "a red picture of nothing"


@pytest.mark.parametrize("score", [0.05, 0.25])
def test_a_category_is_set_only_when_sure(
    new_post: NewPost, engine: ColourEngine, score: float
) -> None:
    engine.category_prompt = Category.objects.first().prompt
    engine.category_score = score
    post = new_post("red")
    work(engine, post)
    post.refresh_from_db()
    assert post.category is None
    assert post.ai_writable_fields == ["category"]


def test_a_vector_of_another_model_is_not_classified(
    new_post: NewPost, engine: ColourEngine
) -> None:
    engine.category_prompt = Category.objects.first().prompt
    engine.category_score = 0.9
    post = new_post("red")
    embed_images(ids(post), engine)
    PostImage.objects.update(embedding_model="another/model")
    caption_images(ids(post), engine)
    post.refresh_from_db()
    assert post.category is None
    assert post.title == "A red picture of nothing"


def test_open_fields_are_filled_once(new_post: NewPost) -> None:
    post = new_post("red")
    fill_writable_fields(post.pk, "the first caption", None)
    fill_writable_fields(post.pk, "another caption", None)
    post.refresh_from_db()
    assert post.title == "The first caption"
    assert post.description == "the first caption"
    assert post.caption == "another caption"


def test_an_empty_caption_fills_nothing_and_leaves_it_open(new_post: NewPost) -> None:
    post = new_post("red")
    fill_writable_fields(post.pk, "", None)
    post.refresh_from_db()
    assert post.title == "Untitled Post"
    assert set(post.ai_writable_fields) == {"title", "description", "category", "tags"}


def test_a_post_that_is_gone_is_no_obstacle() -> None:
    fill_writable_fields(uuid4(), "a caption", None)


@pytest.mark.django_db(transaction=True)
def test_text_that_the_author_writes_meanwhile_stays(new_post: NewPost) -> None:
    """The author's edit locks the row while the worker wants to fill it."""
    post = new_post("red")

    def fill() -> None:
        try:
            fill_writable_fields(post.pk, "a caption of the machine", None)
        finally:
            connection.close()

    with transaction.atomic():
        edited = Post.objects.select_for_update().get(pk=post.pk)
        worker = threading.Thread(target=fill)
        worker.start()
        time.sleep(0.2)
        edited.title = "The author's"
        edited.ai_writable_fields.remove("title")
        edited.save(update_fields=["title", "ai_writable_fields"])
    worker.join(120)
    post.refresh_from_db()
    assert post.title == "The author's"
    assert post.description == "a caption of the machine"
    assert post.ai_writable_fields == ["category"]


@pytest.mark.django_db(transaction=True)
def test_a_post_that_is_deleted_during_its_caption_is_no_deadlock(
    new_post: NewPost, engine: ColourEngine
) -> None:
    post = new_post("red")
    embed_images(ids(post), engine)
    failed: list[Exception] = []

    def caption() -> None:
        try:
            caption_images(ids(post), engine)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    worker = threading.Thread(target=caption)
    with transaction.atomic():  # as delete_post
        locked = Post.objects.select_for_update().get(pk=post.pk)
        worker.start()
        time.sleep(0.5)
        locked.delete()
    worker.join(120)
    assert failed == []
    assert not Post.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_failure_while_filling_leaves_the_image_to_be_captioned_again(
    new_post: NewPost, engine: ColourEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = new_post("red")
    embed_images(ids(post), engine)

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("posts.ingest.pipeline.fill_writable_fields", die)
        with pytest.raises(Killed):
            caption_images(ids(post), engine)
    assert states(post) == [("embedded", 1)]
    caption_images(ids(post), engine)
    post.refresh_from_db()
    assert post.title == "A red picture of nothing"
    assert states(post) == [("done", 0)]


# --- Large pictures -------------------------------------------------------------------------


def test_the_engine_sees_rgb_of_a_bearable_size(new_post: NewPost, engine: ColourEngine) -> None:
    post = new_post("red")
    (image,) = rows(post)
    Image.new("RGBA", (3000, 2000), (224, 32, 32, 255)).save(default_storage.path(image.image_path))
    seen: list[Image.Image] = []
    embed = engine.embed_images

    def look(images: list[Image.Image]) -> Any:
        seen.extend(images)
        return embed(images)

    engine.embed_images = look  # type: ignore[method-assign, assignment]
    embed_images(ids(post), engine)
    assert [(picture.mode, picture.size) for picture in seen] == [("RGB", (1080, 720))]
