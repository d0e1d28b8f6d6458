"""What members do with their accounts, and whom they follow."""

import re
from datetime import date
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import google
from accounts.models import Follow, User
from notifications.models import NotificationType
from notifications.services import notify, retract
from smimso.errors import AuthenticationFailed, InvalidInput

_PHONE = re.compile(r"\+?[0-9 ().-]*[0-9][0-9 ().-]*")


def register_user(
    *,
    email: str,
    password: str,
    first_name: str,
    last_name: str = "",
    phone: str | None = None,
    date_of_birth: date | None = None,
    job: str | None = None,
) -> User:
    """Raises InvalidInput on a weak password, an odd phone, and when e-mail or phone is taken."""
    validate_phone(phone)
    user = User(
        email=email.strip().lower(),
        phone=phone or None,
        first_name=first_name.strip(),
        last_name=last_name.strip(),
        date_of_birth=date_of_birth,
        job=job or None,
    )
    _set_password(user, password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise InvalidInput("email_or_phone_taken") from error
    return user


def validate_phone(phone: str | None) -> None:
    if phone and not _PHONE.fullmatch(phone):
        raise InvalidInput("phone_invalid", field="phone")


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput("password_rejected", text=error.messages[0]) from error
    user.set_password(password)


def authenticate_user(*, email_or_phone: str, password: str) -> User:
    """The member with these credentials; what is wrong is told only to who knows the password."""
    login = email_or_phone.strip()
    # One or the other: a "phone" that is somebody's e-mail must not stand in their way.
    known = {"email": login.lower()} if "@" in login else {"phone": login}
    user = User.objects.filter(**known).first()
    if user is None:
        make_password(password)  # takes as long as a check: absence must not show in the time
        raise AuthenticationFailed("invalid_credentials")
    if not user.check_password(password):  # also renews a hash of an older kind
        raise AuthenticationFailed("invalid_credentials")
    if not user.is_active:
        raise AuthenticationFailed("account_deactivated")
    return user


def log_in_with_google(*, token: str) -> tuple[User, bool]:
    """The member whom Google's ID token names, and whether the account is new.

    An account with the same e-mail is linked, if Google has verified that e-mail. Raises
    AuthenticationFailed, always with the same text, or google.NotConfigured.
    """
    identity = google.verify_id_token(token)
    with transaction.atomic():
        user = User.objects.filter(google_id=identity.subject).first()
        if user is None and not identity.email_verified:
            raise google.LoginRefused
        known = user or User.objects.select_for_update().filter(email=identity.email).first()
        if known is None:
            return _new_google_user(identity), True
        if not known.is_active or known.google_id not in (None, identity.subject):
            raise google.LoginRefused
        if known.google_id is None:
            _link(known, identity)
    return known, False


def _new_google_user(identity: google.Identity) -> User:
    user = User(
        email=identity.email,
        first_name=identity.first_name or "User",
        last_name=identity.last_name,
        avatar_url=identity.picture,
        auth_provider="google",
        google_id=identity.subject,
        is_verified=True,
    )
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:  # the same token, twice at once
        raise google.LoginRefused from error
    return user


def _link(user: User, identity: google.Identity) -> None:
    user.google_id = identity.subject
    if not user.is_verified:
        # Anyone can have registered with this e-mail: only now it is proven to be the member's.
        user.set_unusable_password()
        user.tokens_valid_from = timezone.now()
        user.is_verified = True
    user.save()


def confirm_identity(user: User, *, password: str = "", google_token: str = "") -> None:
    """Before what a stolen token must not be enough for. Raises InvalidInput.

    By the password, or by a fresh ID token for who logs in with Google.
    """
    if google_token and user.google_id:
        try:
            if google.verify_id_token(google_token).subject == user.google_id:
                return
        except google.LoginRefused as error:
            raise InvalidInput(error.code) from error
    elif password and user.check_password(password):
        return
    raise InvalidInput("password_incorrect")


def change_password(
    *, user: User, new_password: str, password: str = "", google_token: str = ""
) -> None:
    """Every token issued so far is void afterwards. Raises InvalidInput."""
    confirm_identity(user, password=password, google_token=google_token)
    _set_password(user, new_password)
    user.save(update_fields=["password", "updated_at"])


def reset_password(*, user: User, new_password: str) -> None:
    """For who followed the link in a letter, which proves the e-mail as well.

    Every token issued so far is void afterwards. Raises InvalidInput.
    """
    _set_password(user, new_password)
    user.is_verified = True
    user.save(update_fields=["password", "is_verified", "updated_at"])


def follow_user(*, follower: User, following_id: UUID) -> Follow:
    """Idempotent. Raises InvalidInput for oneself and for an unknown member."""
    if follower.pk == following_id:
        raise InvalidInput("cannot_follow_self")
    if not User.objects.active().filter(pk=following_id).exists():
        raise InvalidInput("user_not_found")
    with transaction.atomic():
        follow, created = Follow.objects.get_or_create(follower=follower, following_id=following_id)
        if created:
            notify(
                recipient_id=following_id,
                actor=follower,
                type=NotificationType.FOLLOW,
                content=f"{follower.full_name} started following you",
            )
    return follow


def unfollow_user(*, follower: User, following_id: UUID) -> None:
    """Idempotent. Raises InvalidInput for oneself."""
    if follower.pk == following_id:
        raise InvalidInput("cannot_unfollow_self")
    with transaction.atomic():
        removed, _ = Follow.objects.filter(follower=follower, following_id=following_id).delete()
        if removed:
            retract(recipient_id=following_id, actor=follower, type=NotificationType.FOLLOW)
