"""The vector index: none on few rows, built when there are many, rebuilt as they grow."""

import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F, Q
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from posts.models import Post, PostImage
from search.ann import index, nearest
from search.ann.nearest import nearest_images, nearest_to_each
from search.tasks import maintain_index
from smimso.errors import Unavailable
from tests.search.conftest import MODEL, clustered, holding_the_lock, insert_many

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("_no_index"),
]


def indexes() -> dict[str, bool]:
    """Vector indexes by name, and whether they may be used."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid"
            " WHERE relname LIKE 'idx_post_images_embedding%'"
        )
        return dict(cursor.fetchall())


def indexed_columns() -> dict[str, str]:
    """Vector indexes by name, and the column that each is on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, substring(indexdef FROM 'USING [a-z]+ \\(+([a-z_]+)')"
            " FROM pg_indexes WHERE indexname LIKE 'idx_post_images_%embedding' ORDER BY 1"
        )
        return dict(cursor.fetchall())


def current_lists() -> int:
    used = index.current()
    assert used is not None
    return used.lists


def plan(viewer: Any, vector: list[float], limit: int = 40, where: Q = Q()) -> str:  # noqa: B008
    """Return the plan of a search by the index, with the settings of `nearest`."""
    images = PostImage.objects.visible_to(viewer).searchable(MODEL).filter(where)
    used = index.current()
    assert used is not None
    with transaction.atomic(), nearest.index_scan(used):
        return nearest.order_by_index(images, vector, used)[:limit].explain()


def route(viewer: Any, vector: list[float], where: Q = Q()) -> str:  # noqa: B008
    """Return the plans of the queries that a search made."""
    with CaptureQueriesContext(connection) as queries:
        nearest_images(viewer, vector, model=MODEL, limit=20, where=where)
    plans = []
    with connection.cursor() as cursor, transaction.atomic():
        for sql in (query["sql"] for query in queries):
            if "enable_sort" in sql:
                cursor.execute(sql)
            elif "<=>" in sql:
                cursor.execute(f"EXPLAIN {sql}")
                plans += [line for (line,) in cursor.fetchall()]
    return "\n".join(plans)


@pytest.mark.parametrize(
    ("rows", "lists"),
    [(0, 10), (12_000, 24), (200_000, 400), (500_000, 1_000), (1_000_000, 1_414)],
)
def test_lists_follow_the_rows(rows: int, lists: int) -> None:
    assert index.lists_for(rows) == lists


@pytest.mark.parametrize(
    ("lists", "factor", "probes"),
    [(1, 1, 1), (10, 1, 3), (100, 1, 10), (1_000, 1, 32), (100, 1.5, 15), (10, 12, 10)],
)
def test_probes_are_the_root_of_the_lists_times_the_factor(
    lists: int, factor: float, probes: int
) -> None:
    assert index.Index("ivfflat", lists, True, probe_factor=factor).probes == probes


def test_more_lists_are_probed_under_a_selective_filter() -> None:
    used = index.Index("ivfflat", 1_000, True, 100_000)
    assert used.for_selectivity(100_000).probes == 32
    assert used.for_selectivity(10_000).probes == 71
    assert used.for_selectivity(1).probes == used.for_selectivity(1_000).probes == 158


def test_few_rows_have_no_index(owner: User) -> None:
    insert_many(owner, clustered(30), ["public"])
    assert index.maintain() == "30 vectors: searched exactly, no index needed"
    assert index.current() is None
    assert indexes() == {}


def test_rows_that_wait_for_their_vector_do_not_count(owner: User, vector_post: Any) -> None:
    for _ in range(5):
        vector_post(None)
    assert index.maintain(min_rows=1) == "0 vectors: searched exactly, no index needed"


def test_the_index_is_used_full_and_finds_what_an_exact_search_finds(
    owner: User, stranger: User
) -> None:
    vectors = clustered(12_000)
    insert_many(owner, vectors, ["public", "private", "public", "friends"])
    queries = clustered(24, seed=0)[:24] + 0.02 * clustered(24, seed=9)
    exact = [found(stranger, query) for query in queries]

    assert index.maintain() == "12000 vectors: built an index with 24 lists"
    assert index.current() == index.Index("ivfflat", 24, True, 12_000)
    assert indexes() == {index.NAME: True}
    assert index.NAME in plan(stranger, queries[0].tolist())
    assert "Sort" not in plan(stranger, queries[0].tolist())
    assert index.maintain() == "12000 vectors: the index with 24 lists is up to date"

    approximate = [found(stranger, query) for query in queries]
    recall = [
        len(set(one) & set(other)) / 20 for one, other in zip(exact, approximate, strict=True)
    ]
    assert np.mean(recall) >= 0.9
    together = nearest_to_each(
        stranger, [query.tolist() for query in queries], model=MODEL, limit=20
    )
    assert [[image.pk for image in some] for some in together] == approximate
    for query, ids in zip(queries, approximate, strict=True):
        assert len(ids) == 20
        distances = [image.distance for image in nearest_to(stranger, query)]
        assert distances == sorted(distances)

    # Nearly all near posts are invisible: the scan continues until the page is full.
    Post.objects.filter(visibility="public").update(visibility="private")
    some = PostImage.objects.order_by("pk")[:120].values("post_id")
    Post.objects.filter(pk__in=list(some.values_list("post_id", flat=True))).update(
        visibility="public"
    )
    assert len(nearest_to(stranger, queries[0], limit=100)) == 100
    assert len(nearest_to(owner, queries[0], limit=100)) == 100


def nearest_to(viewer: User, query: np.ndarray, limit: int = 20) -> list[PostImage]:
    return nearest_images(viewer, query.tolist(), model=MODEL, limit=limit)


def found(viewer: User, query: np.ndarray) -> list[Any]:
    return [image.pk for image in nearest_to(viewer, query)]


def test_the_index_is_rebuilt_when_the_rows_have_doubled(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.ann.index.lists_for", lambda rows: rows // 10)
    insert_many(owner, clustered(100), ["public"])
    assert index.maintain(min_rows=50) == "100 vectors: built an index with 10 lists"
    insert_many(owner, clustered(90, seed=1), ["public"])
    assert index.maintain(min_rows=50) == "190 vectors: the index with 10 lists is up to date"
    insert_many(owner, clustered(10, seed=2), ["public"])
    assert index.maintain(min_rows=50) == "200 vectors: built an index with 20 lists"
    assert indexes() == {index.NAME: True}


def test_the_index_goes_when_the_rows_go(owner: User) -> None:
    insert_many(owner, clustered(100), ["public"])
    index.maintain(min_rows=50)
    Post.objects.all().delete()
    assert index.maintain(min_rows=50) == "0 vectors: too few for an index, dropped it"
    assert indexes() == {}


def test_an_index_that_is_up_to_date_is_rebuilt_only_by_force(owner: User) -> None:
    insert_many(owner, clustered(100), ["public"])
    index.maintain(min_rows=50)
    assert "is up to date" in index.maintain(min_rows=50)
    assert "built" in index.maintain(min_rows=50, force=True)


def test_rows_written_during_a_build_are_found_afterwards(owner: User, stranger: User) -> None:
    insert_many(owner, clustered(3_000), ["public"])
    stop, written, errors = threading.Event(), [], []
    new = clustered(500, seed=7)

    def write() -> None:
        try:
            for vector in new:
                if stop.is_set():
                    break
                post = Post.objects.create(user=owner, title="new")
                image = PostImage.objects.create(
                    post=post, image_url="x", embedding=vector.tolist(), embedding_model=MODEL
                )
                written.append(image.pk)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            index.maintain(min_rows=50, force=True)
    finally:
        stop.set()
        writer.join(20)
    assert errors == []
    assert len(written) > 5
    assert indexes() == {index.NAME: True}
    for vector, pk in zip(new, written, strict=False):
        assert pk in found(stranger, vector)


def test_the_remains_of_a_killed_builder_are_removed(owner: User) -> None:
    insert_many(owner, clustered(100), ["public"])
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE INDEX {index.BUILD_NAME} ON post_images"
            " USING ivfflat ((embedding::halfvec(512)) halfvec_cosine_ops) WITH (lists = 10)"
        )
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass",
            [index.BUILD_NAME],
        )
    assert "built" in index.maintain(min_rows=50)
    assert indexes() == {index.NAME: True}


@pytest.mark.parametrize("old_is_gone", [True, False])
def test_an_interrupted_swap_is_completed_and_searches_work_until_then(
    owner: User, old_is_gone: bool
) -> None:
    insert_many(owner, clustered(100), ["public"])
    index.maintain(min_rows=50)
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE INDEX {index.BUILD_NAME} ON post_images"
            " USING ivfflat ((embedding::halfvec(512)) halfvec_cosine_ops) WITH (lists = 12)"
        )
        if old_is_gone:
            cursor.execute(f"DROP INDEX {index.NAME}")
    assert current_lists() == 12
    assert index.maintain(min_rows=50) == "100 vectors: the index with 12 lists is up to date"
    assert indexes() == {index.NAME: True}


def test_an_invalid_index_counts_as_none(owner: User) -> None:
    insert_many(owner, clustered(100), ["public"])
    index.maintain(min_rows=50)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [index.NAME]
        )
    assert index.current() is None
    assert "built" in index.maintain(min_rows=50)
    assert indexes() == {index.NAME: True}


def test_only_one_process_builds_at_a_time(owner: User) -> None:
    insert_many(owner, clustered(100), ["public"])
    with holding_the_lock():
        assert index.maintain(min_rows=50) == "another process is building the index"
        assert indexes() == {}
    assert "built" in index.maintain(min_rows=50)


def test_many_lists_are_built_on_a_server_with_little_memory(owner: User) -> None:
    """PostgreSQL's default is 64 MB, and pgvector refuses builds that need more."""
    insert_many(owner, clustered(50), ["public"])
    with connection.cursor() as cursor:
        cursor.execute("SHOW maintenance_work_mem")
        (usual,) = cursor.fetchone()
        cursor.execute("SET maintenance_work_mem = '16MB'")
        try:
            assert index._build(50, 400) == "50 vectors: built an index with 400 lists"
            cursor.execute("SHOW maintenance_work_mem")
            assert cursor.fetchone() == (usual,)
        finally:
            cursor.execute("RESET maintenance_work_mem")


def test_the_command_and_the_task_call_it(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MIN_ROWS", 50)
    insert_many(owner, clustered(60), ["public"])
    out = io.StringIO()
    call_command("maintain_index", stdout=out)
    assert out.getvalue() == "60 vectors: searched exactly, no index needed\n"
    forced: Callable[..., None] = maintain_index
    forced()
    assert indexes() == {}


def test_each_column_has_an_index_and_they_swap_their_names(
    owner: User,
) -> None:
    insert_many(owner, clustered(100), ["public"])
    PostImage.objects.update(next_embedding=F("embedding"))
    index.maintain(min_rows=50)
    index.maintain(column="next_embedding", min_rows=50)
    columns = indexed_columns()
    assert columns == {
        "idx_post_images_embedding": "embedding",
        "idx_post_images_next_embedding": "next_embedding",
    }
    with transaction.atomic():
        index.swap_names()
    assert indexed_columns() == dict(zip(columns, reversed(columns.values()), strict=True))
    with transaction.atomic():
        index.swap_names()
    assert indexed_columns() == columns


def test_an_index_of_one_column_alone_moves_with_its_name(owner: User) -> None:
    insert_many(owner, clustered(100), ["public"])
    index.maintain(min_rows=50)
    with transaction.atomic():
        index.swap_names()
    assert indexed_columns() == {"idx_post_images_next_embedding": "embedding"}
    with transaction.atomic():
        index.swap_names()


def test_names_are_not_swapped_while_an_index_is_being_built(db: None) -> None:
    with holding_the_lock(), pytest.raises(Unavailable), transaction.atomic():
        index.swap_names()


def test_the_planner_takes_the_index_for_all_and_compares_the_few_that_pass_a_filter(
    owner: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "EXACT_ROWS", 500)
    vectors = clustered(3_000)
    insert_many(owner, vectors, ["public"])
    tagged = Post.objects.order_by("pk")[:100].values("pk")
    Post.objects.filter(pk__in=list(tagged.values_list("pk", flat=True))).update(tags=["rare"])
    index.maintain(min_rows=50)  # with ANALYZE
    rare, vector = Q(post__tags__contains=["rare"]), vectors[0].tolist()

    assert index.NAME in route(stranger, vector)
    assert index.NAME not in route(stranger, vector, rare)
    assert "idx_posts_tags" in route(stranger, vector, rare)
    images = PostImage.objects.visible_to(stranger).filter(rare)
    best = nearest.exact_knn(images, vector, 20)
    found = nearest_images(stranger, vector, model=MODEL, limit=20, where=rare)
    assert [image.pk for image in found] == [near.pk for near in best]
    assert len(nearest_images(stranger, vector, model=MODEL, limit=200, where=rare)) == 100


def test_a_wrong_estimate_costs_no_match(
    owner: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = clustered(3_000)
    insert_many(owner, vectors, ["public"])
    index.maintain(min_rows=50)
    query = vectors[0].tolist()
    exact = [near.pk for near in nearest.exact_knn(PostImage.objects.all(), query, 20)]
    # The planner expects few rows, but too many pass to compare them all.
    monkeypatch.setattr(nearest, "estimated_public_rows", lambda images: 1)
    monkeypatch.setattr(nearest, "MAX_EXACT_ROWS", 200)
    assert index.NAME in route(stranger, query)
    found = [image.pk for image in nearest_images(stranger, query, model=MODEL, limit=20)]
    assert len(set(found) & set(exact)) >= 18
    # It expects many rows, but few pass, further away than a scan may look.
    Post.objects.update(visibility="private")
    far = vectors @ vectors[0] < 0.1
    seen = PostImage.objects.order_by("pk")[:30].values_list("post_id", flat=True)
    Post.objects.filter(pk__in=list(seen)).update(visibility="public")
    monkeypatch.setattr(nearest, "estimated_public_rows", lambda images: 1_000_000)
    assert far.any()
    assert len(nearest_images(stranger, query, model=MODEL, limit=20)) == 20
    assert len(nearest_images(stranger, query, model=MODEL, limit=100)) == 30


def test_hnsw_is_built_searched_and_replaced_as_the_settings_say(
    owner: User, stranger: User, settings: Any
) -> None:
    vectors = clustered(1_500)
    insert_many(owner, vectors, ["public"])
    index.maintain(min_rows=50)
    settings.VECTOR_INDEX = "hnsw"
    assert index.maintain(min_rows=50) == "1500 vectors: built an index (HNSW)"
    assert index.maintain(min_rows=50) == "1500 vectors: the index (HNSW) is up to date"
    used = index.current()
    assert used == index.Index("hnsw", 0, True, 1_500)
    assert index.NAME in plan(stranger, vectors[0].tolist())
    query = vectors[0].tolist()
    images = PostImage.objects.visible_to(stranger).searchable(MODEL)
    exact = {near.pk for near in nearest.exact_knn(images, query, 20)}
    with transaction.atomic():
        (best,) = nearest.ann_search(images, [query], 20, used)
    assert len(exact & {near.pk for near in best}) >= 18
    settings.VECTOR_INDEX = "ivfflat"
    assert "built an index with 10 lists" in index.maintain(min_rows=50)
    assert indexes() == {index.NAME: True}


def test_an_index_on_whole_vectors_is_searched_until_one_on_halves_takes_its_place(
    owner: User, stranger: User
) -> None:
    vectors = clustered(1_000)
    insert_many(owner, vectors, ["public"])
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE INDEX {index.NAME} ON post_images"
            " USING ivfflat (embedding vector_cosine_ops) WITH (lists = 10)"
        )
    assert index.current() == index.Index("ivfflat", 10, False, 1_000)
    assert index.NAME in plan(stranger, vectors[0].tolist())
    assert "built" in index.maintain(min_rows=50)
    assert index.current() == index.Index("ivfflat", 10, True, 1_000)


def test_nothing_is_missed_while_the_index_is_rebuilt_again_and_again(
    owner: User, stranger: User
) -> None:
    """Rows inserted before a search begins are found by it; no search fails."""
    insert_many(owner, clustered(12_000), ["public"])
    index.maintain()
    new = clustered(4_000, seed=7)
    written: list[Any] = []
    stop, errors, searches = threading.Event(), [], []

    def keep(act: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                while not stop.is_set():
                    act()
            except Exception as error:
                errors.append(error)
            finally:
                connection.close()

        return threading.Thread(target=run)

    def write() -> None:
        vector = new[len(written)]
        post = Post.objects.create(user=owner, title="new")
        image = post.images.create(image_url="x", embedding=vector.tolist(), embedding_model=MODEL)
        written.append(image.pk)

    def search() -> None:
        known = len(written)
        if known:
            number = (7 * len(searches)) % known
            found = nearest_images(stranger, new[number].tolist(), model=MODEL, limit=20)
            searches.append((number, [image.pk for image in found]))

    threads = [keep(write), keep(search), keep(search)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            assert "built" in index.maintain(force=True)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert errors == []
    assert len(searches) > 20
    assert indexes() == {index.NAME: True}
    for number, found_then in searches:
        assert found_then[0] == written[number]
        assert len(found_then) == 20


def test_a_large_table_is_counted_by_its_statistics(
    owner: User, vector_post: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_many(owner, clustered(300), ["public"])
    for _ in range(100):
        vector_post(None)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE post_images")
    assert index.count_vectors() == 300
    monkeypatch.setattr(index, "MAX_COUNTED_ROWS", 400)
    Post.objects.filter(pk__in=list(Post.objects.values_list("pk", flat=True)[:50])).delete()
    assert index.count_vectors() == 300  # until the statistics are refreshed
    assert index.count_vectors("next_embedding") == 0
