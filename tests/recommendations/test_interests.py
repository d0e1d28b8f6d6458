"""Members without a survey are compared by their embeddings."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Category, Survey, User
from ai import vector_space
from ai.models import VectorSpace
from posts import interactions
from posts.models import Post, PostImage
from recommendations import interests
from recommendations.models import UserEmbedding
from recommendations.tasks import refresh_user_embeddings
from tests.search.conftest import MODEL, pointing

pytestmark = pytest.mark.django_db

Api = Callable[..., APIClient]
CATS, CARS = pointing(1), pointing(0, 1)


@pytest.fixture(autouse=True)
def _model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ai.services.clip_name", lambda: MODEL)


@pytest.fixture
def lover(member: Callable[..., User], vector_post: Callable[..., Post]) -> Callable[..., User]:
    """`lover("Ann", vector)`: a member who liked a post with this vector."""

    def make(name: str, vector: list[float], **fields: Any) -> User:
        user = member(name)
        interactions.like_post(user=user, post_id=vector_post(vector, **fields).pk)
        return user

    return make


def similar(client: APIClient) -> list[dict[str, Any]]:
    response = client.get("/api/recommendations/similar-users")
    assert response.status_code == 200
    return response.json()["data"]


def test_members_who_like_the_same_kind_are_similar(api: Api, lover: Callable[..., User]) -> None:
    art = Category.objects.get(slug="art")
    viewer = lover("Viewer", CATS, category=art)
    lover("Cats", pointing(1, 0, 0.3), category=art)
    lover("Cars", CARS)
    gone = lover("Gone", CATS)
    refresh_user_embeddings()
    User.objects.filter(pk=gone.pk).update(is_active=False)
    (found,) = similar(api(viewer))
    assert found["first_name"] == "Cats"
    assert 0.9 < found["similarity_score"] <= 1
    assert found["shared_interests"] == [art.name]
    assert found.keys() == {
        *("id", "first_name", "last_name", "avatar_url", "job"),
        *("similarity_score", "shared_interests"),
    }


def test_members_with_a_survey_are_compared_by_it(api: Api, lover: Callable[..., User]) -> None:
    viewer = lover("Viewer", CATS)
    lover("Cats", CATS)
    refresh_user_embeddings()
    Survey.objects.create(user=viewer, favorite_categories=["x"], completed_at=timezone.now())
    assert similar(api(viewer)) == []


def test_embeddings_of_another_model_and_reset_ones_are_not_compared(
    api: Api, lover: Callable[..., User]
) -> None:
    viewer, other, third = (lover(name, CATS) for name in ("Viewer", "Other", "Third"))
    refresh_user_embeddings()
    UserEmbedding.objects.filter(user=other).update(vector_model="another/model")
    assert api(third).delete("/api/recommendations/taste").status_code == 200
    assert similar(api(viewer)) == []
    assert similar(api(third)) == []


def test_shared_interests_do_not_tell_of_posts_that_the_viewer_may_not_see(
    api: Api, lover: Callable[..., User]
) -> None:
    art = Category.objects.get(slug="art")
    viewer = lover("Viewer", CATS, category=art)
    lover("Cats", CATS, category=art)
    refresh_user_embeddings()
    Post.objects.exclude(likes__user=viewer).update(visibility="private")
    (found,) = similar(api(viewer))
    assert found["shared_interests"] == []


def test_only_members_with_new_interactions_are_refreshed(
    lover: Callable[..., User], vector_post: Callable[..., Post], member: Callable[..., User]
) -> None:
    member("Idle")
    cats = lover("Cats", CATS)
    assert interests.refresh_stale() == 1
    assert interests.refresh_stale() == 0
    interactions.like_post(user=cats, post_id=vector_post(CARS).pk)
    assert interests.refresh_stale() == 1
    embedding = UserEmbedding.objects.get(user=cats)
    assert embedding.vector[:2] == pytest.approx([0.707, 0.707], abs=1e-3)


def test_all_members_are_refreshed_in_turn(
    lover: Callable[..., User], vector_post: Callable[..., Post]
) -> None:
    members = [lover(name, CATS) for name in ("Ann", "Bea", "Cal")]
    for _ in members:
        assert interests.refresh_stale(limit=1) == 1
        for member in members:  # who is never idle
            interactions.like_post(user=member, post_id=vector_post(CARS).pk)
    assert UserEmbedding.objects.filter(user__in=members).count() == 3


# --- A change of the model --------------------------------------------------------------------


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """`change()`: the collection is in another space from now on, in which cats are cars."""
    monkeypatch.undo()  # read the space from the database
    vector_space.lock_columns(MODEL)

    def change() -> None:
        VectorSpace.objects.update(name="next/model")
        PostImage.objects.update(embedding=CARS, embedding_model="next/model")

    return change


def test_an_embedding_updated_during_a_change_of_the_model_is_in_one_space(
    lover: Callable[..., User], change: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lover("Cats", CATS)
    interactions_of, asked = interests.interactions_of, []

    def in_the_middle(member: User, model: str) -> list[interests.Interaction]:
        found = interactions_of(member, model)
        asked.append(model)
        if len(asked) == 1:
            change()
        return found

    monkeypatch.setattr(interests, "interactions_of", in_the_middle)
    refresh_user_embeddings()
    assert asked == [MODEL, "next/model"]
    embedding = UserEmbedding.objects.get()
    assert embedding.vector_model == "next/model"
    assert list(embedding.vector) == pytest.approx(CARS)


def test_after_a_change_of_the_model_all_embeddings_are_updated(
    lover: Callable[..., User], change: Callable[[], None]
) -> None:
    lover("Cats", CATS)
    assert interests.refresh_stale() == 1
    change()
    assert interests.refresh_stale() == 1
    assert UserEmbedding.objects.get().vector_model == "next/model"
    assert interests.refresh_stale() == 0
