"""What members do with their accounts."""

import re
from datetime import date
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Follow, User
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
    if phone and not _PHONE.fullmatch(phone):
        raise InvalidInput("Enter a valid phone number")
    user = User(
        email=email.strip().lower(),
        phone=phone or None,
        first_name=first_name.strip(),
        last_name=last_name.strip(),
        date_of_birth=date_of_birth,
        job=job or None,
    )
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(error.messages[0]) from error
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise InvalidInput("User with this email or phone already exists") from error
    return user


def authenticate_user(*, email_or_phone: str, password: str) -> User:
    """The member with these credentials; what is wrong is told only to who knows the password."""
    login = email_or_phone.strip()
    # One or the other: a "phone" that is somebody's e-mail must not stand in their way.
    known = {"email": login.lower()} if "@" in login else {"phone": login}
    user = User.objects.filter(**known).first()
    if user is None:
        make_password(password)  # takes as long as a check: absence must not show in the time
        raise AuthenticationFailed("Invalid credentials")
    if not user.check_password(password):  # also renews a hash of an older kind
        raise AuthenticationFailed("Invalid credentials")
    if not user.is_active:
        raise AuthenticationFailed("Account is deactivated")
    return user


def follow_user(*, follower: User, following_id: UUID) -> Follow:
    """Idempotent. Raises InvalidInput for oneself and for an unknown member."""
    if follower.pk == following_id:
        raise InvalidInput("Cannot follow yourself")
    if not User.objects.filter(pk=following_id, is_active=True).exists():
        raise InvalidInput("User not found")
    follow, _ = Follow.objects.get_or_create(follower=follower, following_id=following_id)
    return follow
