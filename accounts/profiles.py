"""Profiles of members, and lists of members: search, followers, following."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import IntegrityError, transaction

from accounts import profile_images
from accounts.models import User, UserQuerySet
from accounts.services import parse_phone
from media.images import Upload
from smimso.errors import InvalidInput, NotFound
from smimso.login_names import normalize_email

MAX_RESULTS = 20
_IMAGE_URL_FIELDS = {"avatar_url", "cover_url"}
_HTTPS = URLValidator(schemes=["https"])


def get_active_member(user_id: UUID) -> User:
    """Return a member. Raises NotFound, also for a deactivated one."""
    user = User.objects.active().filter(pk=user_id).first()
    if user is None:
        raise NotFound("user_not_found")
    return user


def update_profile(
    *,
    user: User,
    uploads: Mapping[profile_images.ProfileImageField, Upload] | None = None,
    **changes: Any,
) -> User:
    """Change the given fields and store the uploaded images, all or nothing.

    The file of a replaced image is removed. Raises InvalidInput if the phone number is malformed
    or taken, an upload is not an acceptable image, or an image URL is neither https nor the
    current one.
    """
    with profile_images.store_uploads(user.pk, uploads or {}) as urls, transaction.atomic():
        member = User.objects.select_for_update().get(pk=user.pk)
        if changes.get("phone", member.phone) != member.phone:
            changes["phone"] = parse_phone(changes["phone"])
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


def _validate_image_url(url: str | None, current: str | None) -> None:
    """Refuse other paths of this site: they may be another member's file.

    That file would be deleted together with this profile.
    """
    if not url or url == current:
        return
    try:
        _HTTPS(url)
    except ValidationError as error:
        raise InvalidInput("picture_url_not_allowed") from error


def _schedule_removal(old: str | None, url: str | None) -> None:
    if old != url:
        transaction.on_commit(partial(profile_images.remove, old), robust=True)


def search_members(query: str) -> list[User]:
    """Find members by parts of the name, in any order, or by the whole e-mail.

    A part of an e-mail finds nothing, because that would reveal addresses step by step.
    """
    words = query.replace("\0", "").strip()[:200]
    if not words:
        raise InvalidInput("search_query_required")
    members = User.objects.active()
    matches = members.named(words) | members.filter(email=normalize_email(words))
    return list(matches.order_by("first_name", "last_name", "pk")[:MAX_RESULTS])


def followers(viewer: User, user_id: UUID, *, page: int, limit: int) -> tuple[list[User], int]:
    """Return a page of the member's followers, newest first, and their total.

    Each has `is_following`: the viewer follows them. page: 1-based.
    """
    members = User.objects.active().filter(following_set__following=get_active_member(user_id))
    newest = members.order_by("-following_set__created_at", "-following_set__id")
    return _page(newest, viewer, page, limit), members.count()


def following(viewer: User, user_id: UUID, *, page: int, limit: int) -> tuple[list[User], int]:
    """Return a page of the members that the member follows, newest first, and their total.

    Each has `is_following`: the viewer follows them. page: 1-based.
    """
    members = User.objects.active().filter(follower_set__follower=get_active_member(user_id))
    newest = members.order_by("-follower_set__created_at", "-follower_set__id")
    return _page(newest, viewer, page, limit), members.count()


def _page(members: UserQuerySet, viewer: User, page: int, limit: int) -> list[User]:
    return list(members.with_is_following(viewer)[(page - 1) * limit : page * limit])
