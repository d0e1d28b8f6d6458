"""Actions of members on their accounts, and following."""

from datetime import date, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import google
from accounts.models import Follow, User
from accounts.passwords import password_forms
from notifications.models import NotificationType
from notifications.services import notify, retract
from smimso.errors import AuthenticationFailed, InvalidInput
from smimso.login_names import normalize_email, normalize_phone

_REGISTERED_FIELDS = ("email", "phone", "first_name", "last_name", "date_of_birth", "job")


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
    """Create an account; for the same form sent again at once, return the one that it created.

    Raises InvalidInput for a weak password, a malformed phone number, and an e-mail or phone
    number that is taken.
    """
    user = User(
        email=normalize_email(email),
        phone=parse_phone(phone),
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
        if previous := _find_previous_registration(user, password):
            return previous
        raise InvalidInput("email_or_phone_taken") from error
    return user


def parse_phone(phone: str | None) -> str | None:
    """Return the number in E.164 form, or None if it is blank. Raises InvalidInput."""
    if not phone:
        return None
    if number := normalize_phone(phone):
        return number
    raise InvalidInput("phone_invalid", field="phone")


def _find_previous_registration(user: User, password: str) -> User | None:
    """Return the account that an equal form created a moment ago: this one is a retry."""
    since = timezone.now() - timedelta(seconds=settings.POST_RETRY_SECONDS)
    fields = {name: getattr(user, name) for name in _REGISTERED_FIELDS}
    previous = User.objects.active().filter(created_at__gt=since, **fields).first()
    return previous if previous and previous.check_password(password) else None


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput("password_rejected", text=error.messages[0]) from error
    user.set_password(password)


def authenticate_user(*, email_or_phone: str, password: str) -> User:
    """Return the member with these credentials.

    Raises AuthenticationFailed. The reason for a refusal is revealed only if the password is
    correct.
    """
    user = User.objects.find_by_login(email_or_phone)
    if user is None:
        for form in password_forms(password):
            make_password(form)  # takes as long as a check: timing does not reveal members
        raise AuthenticationFailed("invalid_credentials")
    if not user.check_password(password):  # also upgrades an old hash
        raise AuthenticationFailed("invalid_credentials")
    if not user.is_active:
        raise AuthenticationFailed("account_deactivated")
    return user


def log_in_with_google(*, token: str) -> tuple[User, bool]:
    """Return the member of Google's ID token, and whether the account is new.

    An account with the same e-mail is linked if Google has verified that e-mail. Raises
    google.LoginRefused, always with the same text, or google.NotConfigured.
    """
    identity = google.verify_id_token(token)
    with transaction.atomic():
        user = User.objects.filter(google_id=identity.subject).first()
        if user is None and not identity.email_verified:
            raise google.LoginRefused
        member = user or User.objects.select_for_update().filter(email=identity.email).first()
        if member is None:
            return _create_google_user(identity)
        if not member.is_active or member.google_id not in (None, identity.subject):
            raise google.LoginRefused
        if member.google_id is None:
            _link(member, identity)
    return member, False


def _create_google_user(identity: google.Identity) -> tuple[User, bool]:
    """Return a member, and whether it is new: the same token may have created it meanwhile."""
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
    except IntegrityError as error:  # the same token twice at the same time
        existing = User.objects.active().filter(google_id=identity.subject).first()
        if existing is None:
            raise google.LoginRefused from error
        return existing, False
    return user, True


def _link(user: User, identity: google.Identity) -> None:
    user.google_id = identity.subject
    if not user.is_verified:
        # Anyone can have registered with this e-mail. Only now its owner has proved it.
        user.set_unusable_password()
        user.tokens_valid_from = timezone.now()
        user.is_verified = True
    user.save()


def confirm_identity(user: User, *, password: str = "", google_token: str = "") -> None:
    """Check the password or, for members who log in with Google, a fresh ID token.

    For actions that a stolen session token must not allow. Raises InvalidInput.
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
    """Change the password, which invalidates every token issued so far. Raises InvalidInput."""
    confirm_identity(user, password=password, google_token=google_token)
    _set_password(user, new_password)
    user.save(update_fields=["password", "updated_at"])


def reset_password(*, user: User, new_password: str) -> None:
    """Set the password of a member who followed the link in an e-mail, which verifies the e-mail.

    Invalidates every token issued so far. Raises InvalidInput.
    """
    _set_password(user, new_password)
    user.is_verified = True
    user.save(update_fields=["password", "is_verified", "updated_at"])


def follow_user(*, follower: User, following_id: UUID) -> Follow:
    """Follow a member and notify them. Idempotent.

    Raises InvalidInput for oneself and for an unknown member.
    """
    if follower.pk == following_id:
        raise InvalidInput("cannot_follow_self")
    if not User.objects.active().filter(pk=following_id).exists():
        raise InvalidInput("user_not_found")
    with transaction.atomic():
        follow, created = Follow.objects.get_or_create(follower=follower, following_id=following_id)
        if created:
            notify(
                recipient_id=following_id,
                actor_id=follower.pk,
                type=NotificationType.FOLLOW,
                content=f"{follower.full_name} started following you",
            )
    return follow


def unfollow_user(*, follower: User, following_id: UUID) -> None:
    """Stop following a member and retract the notification. Idempotent.

    Raises InvalidInput for oneself.
    """
    if follower.pk == following_id:
        raise InvalidInput("cannot_unfollow_self")
    with transaction.atomic():
        deleted, _ = Follow.objects.filter(follower=follower, following_id=following_id).delete()
        if deleted:
            retract(recipient_id=following_id, actor_id=follower.pk, type=NotificationType.FOLLOW)
