"""JSON Web Tokens as the Node backend issued them (RFC 7519; HS256; claims id, email, iat, exp)."""

from typing import Protocol, cast
from uuid import UUID

import jwt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

ALGORITHM = "HS256"
# RecursionError: the header is JSON of any depth, and is read before the signature is checked.
_BAD_TOKEN = (
    *(jwt.InvalidTokenError, RecursionError),
    *(KeyError, ValueError, TypeError, AttributeError),
)
INVALID_TOKEN = "Invalid or expired token. Please login again."  # noqa: S105


class TokenOwner(Protocol):
    @property
    def pk(self) -> UUID: ...

    @property
    def email(self) -> str | None: ...


def issue_token(user: TokenOwner) -> str:
    """Return a new token for the member."""
    now = timezone.now()
    claims = {
        "id": str(user.pk),
        "email": user.email or "",
        # With its fraction, to compare with the time of a change of password in the same second.
        "iat": now.timestamp(),
        "exp": (now + settings.JWT_LIFETIME).timestamp(),
    }
    return jwt.encode(claims, settings.JWT_SECRET, algorithm=ALGORITHM)


def member_id(request: HttpRequest | Request) -> UUID:
    """Return the id of the member who is logged in, for views that let nobody else in."""
    return cast(UUID, request.user.pk)


def user_for_token(token: str) -> AbstractBaseUser:
    """Return the active user that the token names.

    Raises AuthenticationFailed if the token is malformed, forged, expired or older than the user's
    last change of password, or if there is no such active user.
    """
    try:
        claims = jwt.decode(
            token,
            settings.JWT_SECRET,
            algorithms=[ALGORITHM],
            # Another server's clock may be a second behind the one that issued the token.
            options={"require": ["exp"], "verify_iat": False},
        )
        user_id = UUID(claims["id"])
        issued_at = float(claims.get("iat", 0))
    except _BAD_TOKEN as error:
        raise exceptions.AuthenticationFailed(INVALID_TOKEN, "token_invalid") from error
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise exceptions.AuthenticationFailed(INVALID_TOKEN, "token_invalid")
    if user.tokens_valid_from and issued_at < user.tokens_valid_from.timestamp():
        raise exceptions.AuthenticationFailed(INVALID_TOKEN, "token_invalid")
    return user


class JWTAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, str] | None:
        header = request.headers.get("Authorization", "")
        if not header.startswith("Bearer "):
            return None
        token = header.removeprefix("Bearer ").strip()
        return user_for_token(token), token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class BackgroundJWTAuthentication(JWTAuthentication):
    """Answers an invalid token with 403 instead of 401."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, str] | None:
        try:
            return super().authenticate(request)
        except exceptions.AuthenticationFailed as error:
            raise exceptions.PermissionDenied(error.detail) from error


# For routes that the frontend fetches on every page, including /login. It loads /login on each 401:
# an expired token would reload that page for ever.
BACKGROUND_AUTHENTICATION = [BackgroundJWTAuthentication, SessionAuthentication]
