"""JSON Web Tokens as the Node backend issued them (RFC 7519; HS256; claims id, email, iat, exp)."""

from typing import Any, cast
from uuid import UUID

import jwt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

ALGORITHM = "HS256"
# RecursionError: the header is JSON that anybody may have nested, read before the signature.
_BAD_TOKEN = (
    *(jwt.InvalidTokenError, RecursionError),
    *(KeyError, ValueError, TypeError, AttributeError),
)
INVALID_TOKEN = "Invalid or expired token. Please login again."  # noqa: S105


def issue_token(user: Any) -> str:
    now = timezone.now()
    claims = {
        "id": str(user.pk),
        "email": user.email or "",
        # With its fraction: a token of the second in which the password changed is told apart.
        "iat": now.timestamp(),
        "exp": (now + settings.JWT_LIFETIME).timestamp(),
    }
    return jwt.encode(claims, settings.JWT_SECRET, algorithm=ALGORITHM)


def member_id(request: HttpRequest | Request) -> UUID:
    """Return the id of the member who is logged in, for views that let nobody else in."""
    return cast(UUID, request.user.pk)


def user_for_token(token: str) -> Any:
    """The active user that the token names.

    Raises AuthenticationFailed when the signature, the lifetime or the user is not good, and when
    the token is older than the user's last change of password.
    """
    try:
        claims = jwt.decode(
            token,
            settings.JWT_SECRET,
            algorithms=[ALGORITHM],
            # A token may be used at once on a server whose clock is a second behind.
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
    def authenticate(self, request: Request) -> tuple[Any, str] | None:
        header = request.headers.get("Authorization", "")
        if not header.startswith("Bearer "):
            return None
        token = header.removeprefix("Bearer ").strip()
        return user_for_token(token), token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class _BackgroundJWTAuthentication(JWTAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, str] | None:
        try:
            return super().authenticate(request)
        except exceptions.AuthenticationFailed as error:
            raise exceptions.PermissionDenied(error.detail) from error


# For what the frontend fetches on every page, /login included: there, a 401 for the token it still
# holds would load /login again, without end. 403 with the same body leaves the page usable.
BACKGROUND_AUTHENTICATION = [_BackgroundJWTAuthentication, SessionAuthentication]
