"""The steps of a change of the model, one at a time, and who may take them."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from ai import vector_space
from ai.models import Column, State, VectorSpace
from posts.models import Post, PostImage
from search.ann import index
from search.reembedding import progress
from search.reembedding import services as reembedding
from smimso.errors import InvalidInput
from tests.search.conftest import clustered, holding_the_lock, insert_many, pointing

pytestmark = pytest.mark.django_db
NewPost = Callable[..., Post]
FIRST, SECOND = "local-dir/clip", "ViT-B-32/laion2b_s34b_b79k"


def rows() -> dict[str, tuple[str, str]]:
    return {row.column: (row.name, row.state) for row in VectorSpace.objects.all()}


def note() -> str:
    return VectorSpace.objects.get(column=Column.SECONDARY).note


def test_a_change_begins_with_a_row_and_beginning_again_changes_nothing() -> None:
    reembedding.start("laion2b")
    reembedding.start("ViT-B-32", "laion2b_s34b_b79k")
    assert rows() == {"embedding": (FIRST, "active"), "next_embedding": (SECOND, "coming")}


@pytest.mark.parametrize("model", ["demo", "local-dir:ai/demo_models/clip"])
def test_the_searched_model_is_no_other_one(model: str) -> None:
    with pytest.raises(InvalidInput, match="already"):
        reembedding.start(model)
    assert "next_embedding" not in rows()


def test_a_third_model_has_to_wait() -> None:
    reembedding.start("laion2b")
    with pytest.raises(InvalidInput, match="Cancel, roll back or finish"):
        reembedding.start("multilingual")
    assert rows()["next_embedding"] == (SECOND, "coming")


def test_the_next_change_waits_until_the_former_vectors_are_cleared_away() -> None:
    reembedding.start("laion2b")
    reembedding.cancel()
    for model in ("laion2b", "multilingual"):
        with pytest.raises(InvalidInput, match=f"{SECOND} are being deleted. Start again"):
            reembedding.start(model)


def test_what_is_not_under_way_cannot_be_cancelled_finished_or_taken_back() -> None:
    for step in (reembedding.cancel, reembedding.roll_back, reembedding.purge_previous):
        with pytest.raises(InvalidInput):
            step()
    reembedding.start("laion2b")
    for step in (reembedding.roll_back, reembedding.purge_previous):
        with pytest.raises(InvalidInput):
            step()


def test_nothing_happens_before_the_workers_know_the_next_model(
    knows: Callable[..., None],
) -> None:
    reembedding.start("laion2b")
    reembedding.advance()
    assert note() == "no running worker embeds search queries"
    knows(FIRST)
    reembedding.advance()
    assert note() == "a worker has not loaded it yet: w"
    assert rows()["embedding"] == (FIRST, "active")


def test_cancelling_clears_what_was_made(
    knows: Callable[..., None], vector_post: NewPost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reembedding, "PURGE_BATCH_SIZE", 2)
    vector_post(pointing(1), pointing(2), pointing(3), model=FIRST)
    reembedding.start("laion2b")
    PostImage.objects.update(next_embedding=pointing(0, 1), next_embedding_model=SECOND)
    reembedding.cancel()
    found = progress.current_progress()
    assert found is not None
    assert found.state == State.PURGING
    with CaptureQueriesContext(connection) as queries:
        reembedding.advance()
    assert rows() == {"embedding": (FIRST, "active")}
    pages = [q["sql"] for q in queries if "FOR UPDATE" in q["sql"] and "post_images" in q["sql"]]
    assert len(pages) == 3  # two images, one, none
    assert len(set(pages)) == 3  # each batch starts where the previous one ended
    assert PostImage.objects.filter(next_embedding=None, embedding_model=FIRST).count() == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_index")
def test_columns_and_indexes_are_exchanged_when_all_have_vectors_and_back(
    knows: Callable[..., None], owner: User, vector_post: NewPost, monkeypatch: pytest.MonkeyPatch
) -> None:
    maintain = index.maintain
    monkeypatch.setattr(index, "maintain", lambda **options: maintain(min_rows=5, **options))
    insert_many(owner, clustered(40), ["public"])
    vector_post(pointing(1), model=FIRST)
    PostImage.objects.update(embedding_model=FIRST)
    index.maintain()
    reembedding.start("laion2b")
    PostImage.objects.update(next_embedding=pointing(0, 1), next_embedding_model=SECOND)
    external = PostImage.objects.filter(image_path="").count()
    knows(FIRST, SECOND)
    found = progress.current_progress()
    assert found is not None
    assert (found.total, found.without_file) == (0, external)

    reembedding.advance()
    assert rows() == {"embedding": (SECOND, "active"), "next_embedding": (FIRST, "kept")}
    assert set(PostImage.objects.values_list("embedding_model", flat=True)) == {SECOND}
    image = PostImage.objects.order_by("-created_at").first()
    assert image is not None
    assert np.allclose(image.embedding, pointing(0, 1))
    assert index.current("embedding") is not None
    assert index.current("next_embedding") is not None
    assert indexed_columns() == {
        "idx_post_images_embedding": "embedding",
        "idx_post_images_next_embedding": "next_embedding",
    }
    assert ", embedding_model" in definition_of("idx_post_images_ai_state")  # used for counting

    reembedding.roll_back()
    reembedding.advance()
    assert rows() == {"embedding": (FIRST, "active"), "next_embedding": (SECOND, "kept")}
    assert set(PostImage.objects.values_list("embedding_model", flat=True)) == {FIRST}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_index")
def test_the_index_of_cleared_vectors_goes_whatever_the_statistics_say(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "MAX_COUNTED_ROWS", 10)
    maintain = index.maintain
    monkeypatch.setattr(index, "maintain", lambda **options: maintain(min_rows=5, **options))
    insert_many(owner, clustered(40), ["public"])
    PostImage.objects.update(embedding_model=FIRST)
    reembedding.start("laion2b")
    PostImage.objects.update(next_embedding=pointing(0, 1), next_embedding_model=SECOND)
    index.maintain(column="next_embedding")  # with ANALYZE
    reembedding.cancel()
    reembedding.advance()
    assert rows() == {"embedding": (FIRST, "active")}
    assert index.current("next_embedding") is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_index")
def test_an_index_that_is_being_built_when_its_vectors_are_cleared_goes_too(owner: User) -> None:
    insert_many(owner, clustered(40), ["public"])
    PostImage.objects.update(embedding_model=FIRST)
    reembedding.start("laion2b")
    PostImage.objects.update(next_embedding=pointing(0, 1), next_embedding_model=SECOND)
    reembedding.cancel()
    with holding_the_lock():
        reembedding.advance()
        assert rows()["next_embedding"] == (SECOND, "leaving")
        assert not PostImage.objects.exclude(next_embedding_model="").exists()
    index.maintain(column="next_embedding", min_rows=0)
    reembedding.advance()
    assert rows() == {"embedding": (FIRST, "active")}
    assert index.current("next_embedding") is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_index")
def test_the_new_vectors_have_their_index_before_any_statistics_know_of_them(
    knows: Callable[..., None], owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "MAX_COUNTED_ROWS", 10)
    monkeypatch.setattr(index, "MIN_ROWS", 5)
    maintain = index.maintain
    monkeypatch.setattr(index, "maintain", lambda **options: maintain(min_rows=5, **options))
    insert_many(owner, clustered(40), ["public"])
    PostImage.objects.update(embedding_model=FIRST)
    reembedding.start("laion2b")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE post_images")
    PostImage.objects.update(next_embedding=pointing(0, 1), next_embedding_model=SECOND)
    knows(FIRST, SECOND)
    reembedding.advance()
    assert rows()["embedding"] == (SECOND, "active")
    assert index.current() is not None


def test_nothing_is_exchanged_while_the_new_column_has_no_index(
    knows: Callable[..., None], vector_post: NewPost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "MIN_ROWS", 1)
    vector_post(pointing(1), model=FIRST)
    reembedding.start("laion2b")
    PostImage.objects.update(next_embedding=pointing(0, 1), next_embedding_model=SECOND)
    knows(FIRST, SECOND)
    # While another thread builds the other column's index, it only reports that.
    busy = "another process is building the index"
    monkeypatch.setattr(index, "maintain", lambda **options: busy)
    reembedding.advance()
    assert rows() == {"embedding": (FIRST, "active"), "next_embedding": (SECOND, "coming")}
    assert note() == "the index of the new vectors is being built"


def definition_of(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [name])
        definition: str = cursor.fetchone()[0]
        return definition


def indexed_columns() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, substring(pg_get_indexdef(oid) FROM '(\\w+)\\)?::halfvec')"
            " FROM pg_class WHERE relname LIKE 'idx_post_images_%%embedding'"
        )
        return dict(cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_the_exchange_lets_a_long_search_end(
    knows: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reembedding, "LOCK_TIMEOUT", 0.2)
    reembedding.start("laion2b")
    knows(FIRST, SECOND)
    reading, ended = threading.Event(), threading.Event()

    def search() -> None:
        with transaction.atomic():
            list(PostImage.objects.all()[:1])
            reading.set()
            time.sleep(1)
            ended.set()
        connection.close()

    thread = threading.Thread(target=search)
    thread.start()
    reading.wait(10)
    reembedding.advance()
    assert ended.is_set()
    thread.join()
    assert rows()["embedding"] == (SECOND, "active")


@pytest.mark.django_db(transaction=True)
def test_no_search_waits_while_the_exchange_waits_for_vacuum(knows: Callable[..., None]) -> None:
    reembedding.start("laion2b")
    knows(FIRST, SECOND)

    def advance() -> None:
        reembedding.advance()
        connection.close()

    thread = threading.Thread(target=advance)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE post_images IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM does
        thread.start()
        waiting: list[tuple[str]] = []
        while not waiting:
            cursor.execute(
                "SELECT mode FROM pg_locks WHERE relation = 'post_images'::regclass AND NOT granted"
            )
            waiting = cursor.fetchall()
    assert waiting == [("ShareUpdateExclusiveLock",)]
    thread.join()
    assert rows()["embedding"] == (SECOND, "active")


@pytest.mark.django_db(transaction=True)
def test_a_vector_that_comes_while_the_column_is_cleared_goes_too(
    knows: Callable[..., None], vector_post: NewPost
) -> None:
    vector_post(pointing(1), model=FIRST)
    reembedding.start("laion2b")
    written, held = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            columns = vector_space.lock_columns(FIRST)
            held.set()
            written.wait(30)
            assert columns[SECOND] == Column.SECONDARY
            PostImage.objects.update(next_embedding=pointing(0, 1), next_embedding_model=SECOND)
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    held.wait(30)
    reembedding.cancel()
    threading.Timer(0.5, written.set).start()
    reembedding.advance()
    thread.join()
    for _ in range(2):
        reembedding.advance()
    assert "next_embedding" not in rows()
    assert not PostImage.objects.exclude(next_embedding_model="").exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_clear_do_not_wait_for_each_other(
    knows: Callable[..., None], vector_post: NewPost
) -> None:
    post = vector_post(pointing(1), pointing(2), model=FIRST)
    reembedding.start("laion2b")
    PostImage.objects.update(next_embedding=pointing(0, 1), next_embedding_model=SECOND)
    reembedding.cancel()

    def advance() -> None:
        reembedding.advance()
        connection.close()

    with transaction.atomic():
        held = PostImage.objects.filter(post=post).select_for_update()[0].pk
        thread = threading.Thread(target=advance)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
    assert rows()["next_embedding"] == (SECOND, "leaving")
    assert PostImage.objects.get(next_embedding_model=SECOND).pk == held
    reembedding.advance()
    assert "next_embedding" not in rows()


def test_former_vectors_go_after_some_days(settings: Any, knows: Callable[..., None]) -> None:
    vector_space.lock_columns(FIRST)
    VectorSpace.objects.create(column=Column.SECONDARY, name=SECOND, state=State.RETAINED)
    reembedding.advance()
    assert rows()["next_embedding"] == (SECOND, "kept")
    VectorSpace.objects.update(since=timezone.now() - timedelta(days=8))
    settings.AI_KEEP_DAYS = 0
    reembedding.advance()
    assert rows()["next_embedding"] == (SECOND, "kept")
    settings.AI_KEEP_DAYS = 7
    reembedding.advance()
    assert rows()["next_embedding"] == (SECOND, "leaving")


def test_the_command_shows_progress_and_errors() -> None:
    out = StringIO()
    call_command("change_model", "--status", stdout=out)
    assert out.getvalue() == "All vectors are of one model.\n"
    reembedding.start("laion2b")
    out = StringIO()
    call_command("change_model", "--status", stdout=out)
    assert f"Searched: {FIRST}. Second model: {SECOND} (coming)." in out.getvalue()
    assert "0 of 0 images have vectors of both." in out.getvalue()
    with pytest.raises(CommandError, match="Cancel, roll back or finish"):
        call_command("change_model", "multilingual")
    with pytest.raises(CommandError, match="Name a model"):
        call_command("change_model")


# --- Administration -------------------------------------------------------------------------
