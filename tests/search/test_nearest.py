"""k-nearest-neighbour search: visible images, one per post, best first, full pages."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from posts.ingest.embeddings import AsNumpy
from posts.models import Post, PostImage
from search.ann.nearest import Neighbor, nearest_images
from tests.search.conftest import MODEL, at_cosine, clustered, insert_many, pointing
from tests.visibility import VISIBILITIES, each_viewer

pytestmark = pytest.mark.django_db
NewPost = Callable[..., Post]


def titles(viewer: Any, *, limit: int = 20, **more: Any) -> list[str]:
    return titles_of(nearest_images(viewer, pointing(1), model=MODEL, limit=limit, **more))


def titles_of(found: list[Neighbor]) -> list[str]:
    posts = Post.objects.in_bulk([near.post_id for near in found])
    return [posts[near.post_id].title for near in found]


def test_the_nearest_come_first_with_their_distance(stranger: User, vector_post: NewPost) -> None:
    for cosine in (0.5, 0.9, -1.0, 0.7, 0.0):
        vector_post(at_cosine(cosine), title=str(cosine))
    found = nearest_images(stranger, pointing(1), model=MODEL, limit=20)
    assert titles_of(found) == ["0.9", "0.7", "0.5", "0.0", "-1.0"]
    assert [image.distance for image in found] == pytest.approx([0.1, 0.3, 0.5, 1.0, 2.0])


def test_a_post_comes_once_with_its_best_image(stranger: User, vector_post: NewPost) -> None:
    album = vector_post(at_cosine(0.2), at_cosine(0.95), at_cosine(0.9), title="album")
    vector_post(at_cosine(0.5), title="single")
    found = nearest_images(stranger, pointing(1), model=MODEL, limit=20)
    assert titles_of(found) == ["album", "single"]
    assert found[0].pk == album.images.get(display_order=1).pk


def test_an_album_that_takes_every_place_leaves_room_for_the_others(
    stranger: User, vector_post: NewPost
) -> None:
    vector_post(*[at_cosine(0.9, axis) for axis in range(1, 80)], title="album")
    for n in range(5):
        vector_post(at_cosine(0.5 - n / 10), title=str(n))
    assert titles(stranger, limit=5) == ["album", "0", "1", "2", "3"]


def test_the_limit_counts_posts(stranger: User, vector_post: NewPost) -> None:
    for n in range(9):
        vector_post(at_cosine(0.9 - n / 10), at_cosine(0.9 - n / 10, 2), title=str(n))
    assert titles(stranger, limit=1) == ["0"]
    assert titles(stranger, limit=4) == ["0", "1", "2", "3"]
    assert len(titles(stranger, limit=100)) == 9


def test_a_page_is_full_although_nearly_all_of_the_nearest_are_invisible(
    owner: User, stranger: User
) -> None:
    vectors = clustered(1_000)
    insert_many(owner, vectors, ["private"] * 12 + ["friends"] * 7 + ["public"])
    vector = vectors[0].tolist()
    found = nearest_images(stranger, vector, model=MODEL, limit=20)
    assert len({image.post_id for image in found}) == 20
    posts = Post.objects.filter(pk__in=[near.post_id for near in found])
    assert {post.visibility for post in posts} == {"public"}
    public = vectors[19::20] @ vectors[0]
    assert [1 - image.distance for image in found] == pytest.approx(
        sorted(public, reverse=True)[:20], abs=1e-5
    )
    assert len(nearest_images(stranger, vector, model=MODEL, limit=100)) == 50


@each_viewer()
def test_only_what_the_viewer_may_see_is_found(
    viewer: User | None, seen: set[str], vector_post: NewPost
) -> None:
    for number, visibility in enumerate(VISIBILITIES):
        vector_post(at_cosine(0.9 - number / 10), title=visibility, visibility=visibility)
    assert titles(viewer or AnonymousUser()) == sorted(seen, key=VISIBILITIES.index)


def test_vectors_of_another_model_are_never_compared(stranger: User, vector_post: NewPost) -> None:
    vector_post(pointing(1), title="other", model="another/model")
    vector_post(None, title="not embedded")
    vector_post(at_cosine(0.1), title="same")
    mixed = vector_post(at_cosine(0.0), title="mixed")
    mixed.images.create(image_url="x", embedding=pointing(1), embedding_model="another/model")
    assert titles(stranger) == ["same", "mixed"]


def test_a_post_can_be_left_out(stranger: User, vector_post: NewPost) -> None:
    itself = vector_post(pointing(1), pointing(1), title="itself")
    vector_post(at_cosine(0.5), title="another")
    assert titles(stranger, except_post=itself.pk) == ["another"]


def test_more_conditions_narrow_what_is_found(
    owner: User, stranger: User, vector_post: NewPost
) -> None:
    vector_post(at_cosine(0.9), title="nearest", tags=["sea"])
    vector_post(at_cosine(0.8), title="blue", tags=["sea", "blue"])
    vector_post(at_cosine(0.7), title="another's", tags=["blue"], author=stranger)
    vector_post(at_cosine(0.6), title="hidden", tags=["blue"], visibility="private")
    assert titles(stranger, where=Q(post__tags__contains=["blue"])) == ["blue", "another's"]
    blue_of_owner = Q(post__tags__contains=["blue"], post__user=owner)
    assert titles(stranger, where=blue_of_owner) == ["blue"]
    assert titles(stranger, where=Q(post__tags__contains=["green"])) == []


def test_nothing_embedded_finds_nothing(stranger: User, vector_post: NewPost) -> None:
    vector_post(None)
    assert titles(stranger) == []


def test_no_vector_is_loaded(stranger: User, vector_post: NewPost) -> None:
    vector_post(pointing(1))
    with CaptureQueriesContext(connection) as queries:
        nearest_images(stranger, pointing(1), model=MODEL, limit=20)
    selected = [query["sql"].partition(" FROM ")[0] for query in queries]
    assert not any(sql.endswith('"embedding"') or '"embedding",' in sql for sql in selected)


def test_many_results_take_as_many_queries_as_one(
    owner: User, stranger: User, vector_post: NewPost
) -> None:
    vector_post(pointing(1))
    with CaptureQueriesContext(connection) as one:
        nearest_images(stranger, pointing(1), model=MODEL, limit=100)
    insert_many(owner, clustered(300), ["public"])
    with CaptureQueriesContext(connection) as many:
        assert len(nearest_images(stranger, pointing(1), model=MODEL, limit=100)) == 100
    assert len(many) == len(one)


def test_vectors_of_another_size_are_an_error(stranger: User, vector_post: NewPost) -> None:
    vector_post(pointing(1))
    with pytest.raises(Exception, match="different vector dimensions 512 and 3"):
        nearest_images(stranger, [1.0, 0.0, 0.0], model=MODEL, limit=5)


def test_the_distances_are_those_of_the_stored_vectors(owner: User, stranger: User) -> None:
    vectors = clustered(50, seed=4)
    insert_many(owner, vectors, ["public"])
    query = clustered(1, seed=5)[0]
    found = nearest_images(stranger, query.tolist(), model=MODEL, limit=100)
    cosines = np.sort(vectors @ query)[::-1]
    assert [1 - image.distance for image in found] == pytest.approx(cosines.tolist(), abs=1e-5)


def test_stored_vectors_are_read_as_arrays_of_the_same_numbers(
    owner: User, vector_post: NewPost
) -> None:
    vectors = clustered(3)
    insert_many(owner, vectors, ["public"])
    vector_post(None)
    read = list(PostImage.objects.values_list(AsNumpy("embedding"), flat=True))
    assert sum(vector is None for vector in read) == 1
    found = np.array([vector for vector in read if vector is not None])
    assert found.dtype == np.float32
    assert {row.tobytes() for row in found} == {row.tobytes() for row in vectors}
