"""What members tell about themselves, and finding one another."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import IntegrityError, transaction
from django.db.models import Q, Value
from django.db.models.functions import Concat

from accounts import profile_images
from accounts.models import User, UserQuerySet
from accounts.services import validate_phone
from media.images import Upload
from smimso.errors import InvalidInput, NotFound

MAX_RESULTS = 20
_IMAGE_URL_FIELDS = {"avatar_url", "cover_url"}
_HTTPS = URLValidator(schemes=["https"])


def get_active_member(user_id: UUID) -> User:
    """Raises NotFound, also for who has been deactivated."""
    user = User.objects.active().filter(pk=user_id).first()
    if user is None:
        raise NotFound("user_not_found")
    return user


def update_profile(
    *, user: User, uploads: Mapping[profile_images.ImageKind, Upload] | None = None, **changes: Any
) -> User:
    """Changes the given fields and stores the uploaded pictures, or does nothing of it.

    A picture's file that nothing points to any more is removed. Raises InvalidInput when the phone
    is odd or taken, an upload no acceptable image, or a picture's URL neither https nor the one
    that the member has.
    """
    with profile_images.store_uploads(uploads or {}) as urls, transaction.atomic():
        member = User.objects.select_for_update().get(pk=user.pk)
        if changes.get("phone") != member.phone:
            validate_phone(changes.get("phone"))
        for name in _IMAGE_URL_FIELDS & changes.keys():
            _validate_image_url(changes[name], getattr(member, name))
        changes |= urls
        for name in _IMAGE_URL_FIELDS & changes.keys():
            _schedule_removal(getattr(member, name), changes[name])
        for name, value in changes.items():
            setattr(member, name, value)
        try:
            with transaction.atomic():
                member.save(update_fields=[*changes, "updated_at"])
        except IntegrityError as error:
            raise InvalidInput("phone_taken", field="phone") from error
    return member


def _validate_image_url(url: str | None, present: str | None) -> None:
    """Another path of this site may be somebody else's file, which would go with this profile."""
    if not url or url == present:
        return
    try:
        _HTTPS(url)
    except ValidationError as error:
        raise InvalidInput("picture_url_not_allowed") from error


def _schedule_removal(old: str | None, url: str | None) -> None:
    if old != url:
        transaction.on_commit(partial(profile_images.remove, old), robust=True)


def search_members(query: str) -> list[User]:
    """By a part of the name, or by the whole e-mail: parts of one would give it away."""
    words = query.replace("\0", "").strip()[:200]
    if not words:
        raise InvalidInput("search_query_required")
    named = User.objects.active().annotate(name=Concat("first_name", Value(" "), "last_name"))
    found = named.filter(Q(name__icontains=words) | Q(email=words.lower()))
    return list(found.order_by("first_name", "last_name", "pk")[:MAX_RESULTS])


def followers(viewer: User, user_id: UUID, *, page: int, limit: int) -> tuple[list[User], int]:
    """Who follows the member, newest first, each with `is_following` of the viewer."""
    found = User.objects.active().filter(following_set__following=get_active_member(user_id))
    newest = found.order_by("-following_set__created_at", "-following_set__id")
    return _page(newest, viewer, page, limit), found.count()


def following(viewer: User, user_id: UUID, *, page: int, limit: int) -> tuple[list[User], int]:
    """Whom the member follows, newest first, each with `is_following` of the viewer."""
    found = User.objects.active().filter(follower_set__follower=get_active_member(user_id))
    newest = found.order_by("-follower_set__created_at", "-follower_set__id")
    return _page(newest, viewer, page, limit), found.count()


def _page(members: UserQuerySet, viewer: User, page: int, limit: int) -> list[User]:
    return list(members.marking_followed(viewer)[(page - 1) * limit : page * limit])
