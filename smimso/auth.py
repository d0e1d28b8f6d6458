"""JSON Web Tokens as the Node backend issued them (RFC 7519; HS256; claims id, email, iat, exp)."""

from typing import Any
from uuid import UUID

import jwt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

ALGORITHM = "HS256"
INVALID_TOKEN = "Invalid or expired token. Please login again."  # noqa: S105


def issue_token(user: Any) -> str:
    now = timezone.now()
    claims = {
        "id": str(user.pk),
        "email": user.email or "",
        "iat": now,
        "exp": now + settings.JWT_LIFETIME,
    }
    return jwt.encode(claims, settings.JWT_SECRET, algorithm=ALGORITHM)


def user_for_token(token: str) -> Any:
    """The active user that the token names.

    Raises AuthenticationFailed when the signature, the lifetime or the user is not good.
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
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise exceptions.AuthenticationFailed(INVALID_TOKEN) from error
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise exceptions.AuthenticationFailed(INVALID_TOKEN)
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
