"""Following: once, not oneself, and only active members."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Follow, User
from accounts.services import follow_user
from smimso.errors import InvalidInput

pytestmark = pytest.mark.django_db


def test_following_is_one_way(owner: User, stranger: User) -> None:
    follow = follow_user(follower=stranger, following_id=owner.pk)
    assert (follow.follower, follow.following_id) == (stranger, owner.pk)
    assert Follow.objects.get() == follow


def test_following_twice_changes_nothing(owner: User, stranger: User) -> None:
    first = follow_user(follower=stranger, following_id=owner.pk)
    assert follow_user(follower=stranger, following_id=owner.pk) == first
    assert Follow.objects.count() == 1


def test_nobody_follows_themselves(owner: User) -> None:
    with pytest.raises(InvalidInput, match="Cannot follow yourself"):
        follow_user(follower=owner, following_id=owner.pk)
    assert not Follow.objects.exists()


def test_the_database_enforces_these_rules_too(owner: User, stranger: User) -> None:
    with pytest.raises(IntegrityError, match="follows_not_oneself"), transaction.atomic():
        Follow.objects.create(follower=owner, following=owner)
    Follow.objects.create(follower=owner, following=stranger)
    with pytest.raises(IntegrityError, match="follows_once"), transaction.atomic():
        Follow.objects.create(follower=owner, following=stranger)


def test_following_an_unknown_or_deactivated_member_is_refused(owner: User, stranger: User) -> None:
    stranger.is_active = False
    stranger.save()
    for following in (uuid4(), stranger.pk):
        with pytest.raises(InvalidInput, match="User not found"):
            follow_user(follower=owner, following_id=following)
    assert not Follow.objects.exists()


def test_follows_are_deleted_with_the_member(owner: User, friend: User) -> None:
    assert Follow.objects.count() == 2
    friend.delete()
    assert not Follow.objects.exists()
