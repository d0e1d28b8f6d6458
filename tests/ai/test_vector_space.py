"""A search stays in one vector space, even while the collection moves to another."""

import pytest

from ai import vector_space
from ai.models import Column, State, VectorSpace
from ai.services import clip_name
from smimso.errors import NotFound, Unavailable

pytestmark = pytest.mark.django_db


def move_to(name: str) -> None:
    VectorSpace.objects.update_or_create(
        column=Column.SEARCHED, defaults={"name": name, "state": State.ACTIVE}
    )


def test_without_vectors_the_settings_name_the_space() -> None:
    assert clip_name() == vector_space.configured_space().name == "local-dir/clip"


def test_with_vectors_the_table_names_the_space() -> None:
    move_to("another/model")
    assert clip_name() == "another/model"


def test_a_call_sees_one_space_and_is_repeated_if_the_space_changed() -> None:
    move_to("first/model")
    seen = []

    @vector_space.in_one_vector_space
    def search() -> str:
        seen.append(clip_name())
        if len(seen) == 1:
            VectorSpace.objects.update(name="second/model")
        assert clip_name() == seen[-1]
        return seen[-1]

    assert search() == "second/model"
    assert seen == ["first/model", "second/model"]


def test_a_failure_in_a_space_that_was_left_is_retried() -> None:
    move_to("first/model")

    @vector_space.in_one_vector_space
    def search() -> str:
        if clip_name() == "first/model":
            move_to("second/model")
            raise Unavailable
        return clip_name()

    assert search() == "second/model"


@pytest.mark.parametrize("error", [Unavailable, NotFound])
def test_other_failures_are_raised(error: type[Exception]) -> None:
    calls = []

    @vector_space.in_one_vector_space
    def search() -> None:
        calls.append(clip_name())
        raise error

    with pytest.raises(error):
        search()
    assert len(calls) == 1


def test_a_space_that_changes_during_every_try_is_unavailable() -> None:
    calls = []

    @vector_space.in_one_vector_space
    def search() -> None:
        calls.append(clip_name())
        move_to(f"model/{len(calls)}")

    with pytest.raises(Unavailable):
        search()
    assert len(calls) == vector_space.MAX_TRIES


def test_a_call_within_another_stays_in_its_space() -> None:
    @vector_space.in_one_vector_space
    def outer() -> tuple[str, str]:
        return clip_name(), vector_space.in_one_vector_space(clip_name)()

    move_to("first/model")
    assert outer() == ("first/model", "first/model")


def test_it_costs_one_query(django_assert_num_queries: object) -> None:
    move_to("first/model")
    search = vector_space.in_one_vector_space(clip_name)
    assert search() == "first/model"
    with django_assert_num_queries(1):  # type: ignore[operator]
        search()
