"""Recall is measured against an exact search, stored and shown; searches adapt to it."""

import io
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from accounts.models import User
from ai import vector_space
from ai.models import VectorSpace
from posts.models import PostImage
from search.ann import index, nearest, recall
from search.models import ProbeFactor, RecallMeasurement
from search.tasks import measure_recall
from smimso.errors import Unavailable
from smimso.redis import redis_client
from tests.search.conftest import MODEL, clustered, insert_many

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("_no_index", "_no_queries", "_this_model"),
]


@pytest.fixture
def _this_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall.ai, "clip_name", lambda: MODEL)


@pytest.fixture
def _no_queries(servers: Any) -> Any:
    yield
    redis_client().delete(recall._RECENT.format(MODEL))


def indexed(owner: User, *, lists: int = 60, rows: int = 3_000) -> np.ndarray:
    vectors = clustered(rows)
    insert_many(owner, vectors, ["public", "public", "private"])
    index._build(rows, lists)
    return vectors


def remember(vectors: np.ndarray) -> None:
    for vector in vectors:
        recall.record_text_query(vector.tolist(), MODEL)


def test_without_an_index_there_is_nothing_to_measure(owner: User) -> None:
    insert_many(owner, clustered(30), ["public"])
    assert recall.measure() == []
    out = io.StringIO()
    call_command("measure_recall", stdout=out)
    assert out.getvalue() == "No vector index: searches are exact\n"
    assert not RecallMeasurement.objects.exists()


def test_both_kinds_of_queries_are_measured_and_stored(owner: User) -> None:
    vectors = indexed(owner, lists=10)
    remember(vectors[:30] + 0.02 * clustered(30, seed=5))
    image, text = recall.measure()
    assert list(RecallMeasurement.objects.order_by("query_kind")) == [image, text]
    assert (image.query_kind, text.query_kind) == ("image", "text")
    assert (image.queries, text.queries) == (recall.SAMPLE_SIZE, 30)
    assert text.note == "Recent queries"
    assert image.recall is not None
    assert 0.5 < image.recall <= 1.0
    assert text.recall is not None
    assert 0.5 < text.recall <= 1.0
    assert (image.rows, image.index_kind, image.lists) == (3_000, "ivfflat", 10)


def test_the_figure_is_the_share_of_the_exact_best_that_the_index_finds(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = indexed(owner)
    queries = [recall.SampleQuery(vector.tolist()) for vector in vectors[:10]]
    sample = recall.QuerySample(recall.QueryKind.TEXT, queries)
    whole = nearest.ann_search
    monkeypatch.setattr(nearest, "ann_search", lambda *a: [best[:5] for best in whole(*a)])
    assert sample.recall() == pytest.approx(0.25, abs=0.02)


def test_the_post_that_a_vector_is_from_does_not_count(owner: User) -> None:
    indexed(owner)
    image = PostImage.objects.filter(post__visibility="public").first()
    assert image is not None
    sample = recall._image_sample()
    assert all(query.except_post is not None for query in sample.queries)
    found = nearest.exact_knn(
        recall._images(recall.SampleQuery(image.embedding, image.post_id)), image.embedding, 20
    )
    assert image.post_id not in {near.post_id for near in found}


def test_searches_probe_more_lists_until_recall_is_high_enough(owner: User) -> None:
    indexed(owner, lists=150)
    remember(clustered(30, clusters=30, seed=3))  # in no cluster: their neighbours are scattered
    before = index.current()
    assert before is not None
    assert before.probes == 12
    _, text = recall.measure()
    after = index.current()
    assert after is not None
    assert text.probes == after.probes > before.probes
    assert text.recall is not None
    assert text.recall >= settings.SEARCH_LEAST_RECALL
    assert ProbeFactor.objects.get().factor == after.probe_factor


def test_searches_probe_fewer_lists_again_when_recall_is_far_above_the_target(
    owner: User,
) -> None:
    vectors = indexed(owner, lists=60)
    remember(vectors[:20])
    ProbeFactor.objects.create(index_kind="ivfflat", factor=7.0)
    recall.measure()
    assert ProbeFactor.objects.get().factor == pytest.approx(7.0 / recall.FACTOR_STEP)


def test_the_probe_factor_never_falls_below_one(owner: User) -> None:
    vectors = indexed(owner, lists=10)
    remember(vectors[:20])
    ProbeFactor.objects.create(index_kind="ivfflat", factor=1.0)
    measured = recall.measure()
    used = index.current()
    assert used is not None
    assert used.probe_factor >= 1.0
    assert not recall.is_below_target(measured)


def test_an_index_that_finds_too_little_at_every_probe_factor_is_rebuilt(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed(owner, rows=300, lists=10)
    monkeypatch.setattr(recall.QuerySample, "recall", lambda self: 0.5)
    monkeypatch.setattr(index, "lists_for", lambda rows: 12)
    built = []
    monkeypatch.setattr(index, "maintain", lambda **options: built.append(options))
    measure_recall()  # type: ignore[call-arg]
    assert built == [{"force": True}]


def test_captions_replace_missing_queries_and_without_the_ai_recall_is_empty(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = indexed(owner, rows=600, lists=10)
    for number, image in enumerate(PostImage.objects.filter(post__visibility="public")[:50]):
        image.ai_caption = f"caption {number}"
        image.save(update_fields=["ai_caption"])

    def away(text: str) -> list[float]:
        raise Unavailable("ai_unavailable")

    monkeypatch.setattr(recall.ai, "embed_text", away)
    image, text = recall.measure()
    assert image.recall is not None
    assert (text.recall, text.queries) == (None, 0)
    assert text.note.startswith("Not measured: The AI is not available")

    monkeypatch.setattr(recall.ai, "embed_text", lambda text: vectors[len(text)].tolist())
    _, text = recall.measure()
    assert text.note == "Captions of images"
    assert text.recall is not None
    assert 0 < text.queries <= recall.SAMPLE_SIZE


def test_a_measurement_across_a_change_of_the_model_changes_no_probe_factor(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # read the space from the database
    indexed(owner, lists=10, rows=600)
    ProbeFactor.objects.create(index_kind="ivfflat", factor=2.85)  # nine of ten lists
    vector_space.lock_columns(MODEL)
    recall_of, calls = recall.QuerySample.recall, []

    def in_the_middle(sample: recall.QuerySample) -> float | None:
        calls.append(sample.kind)
        if len(calls) == 1:
            for image in PostImage.objects.all():
                turned = np.roll(image.embedding, 256).tolist()
                PostImage.objects.filter(pk=image.pk).update(
                    embedding=-np.array(turned), embedding_model="next/model"
                )
            VectorSpace.objects.update(name="next/model")
            index._build(600, 10)
        return recall_of(sample)

    monkeypatch.setattr(recall.QuerySample, "recall", in_the_middle)
    image, _ = recall.measure()
    assert image.recall is not None
    assert image.recall >= settings.SEARCH_LEAST_RECALL
    assert RecallMeasurement.objects.count() == 2
    assert ProbeFactor.objects.get().factor <= 2.85


def test_only_the_latest_vectors_of_queries_are_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recall, "MAX_STORED", 5)
    remember(clustered(8))
    stored = redis_client().lrange(recall._RECENT.format(MODEL), 0, -1)
    assert [len(each) for each in stored] == [4 * 512] * 5
    assert np.frombuffer(stored[0], np.float32) == pytest.approx(clustered(8)[7])


def test_the_admin_shows_the_figures_to_read(member: Any, client: Client) -> None:
    RecallMeasurement.objects.create(
        query_kind="text",
        queries=40,
        recall=0.9725,
        rows=12_000,
        index_kind="ivfflat",
        lists=24,
        probes=5,
        note="Recent queries",
    )
    staff = member("Staff", is_staff=True, is_superuser=True)
    client.force_login(staff)
    page = client.get("/admin/search/recallmeasurement/").content.decode()
    assert "0.9725" in page
    assert "ivfflat" in page
    assert "Recent queries" in page
    assert client.get("/admin/search/recallmeasurement/add/").status_code == 403
    client.force_login(member("Stranger"))
    assert client.get("/admin/search/recallmeasurement/").status_code == 302
