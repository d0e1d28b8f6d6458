"""Login with Google: verify an ID token (OpenID Connect Core 1.0, section 2)."""

from dataclasses import dataclass
from functools import partial

import jwt
from django.conf import settings
from google.auth import exceptions
from google.auth.transport.requests import Request
from google.oauth2 import id_token

from smimso.errors import AuthenticationFailed, SmimsoError, Unavailable
from smimso.login_names import normalize_email
from smimso.visible_text import clean_line

CERTIFICATE_TIMEOUT = 5  # seconds to fetch Google's certificates; the default is two minutes


class NotConfigured(SmimsoError):
    status = 501
    code = "google_not_configured"


class LoginRefused(AuthenticationFailed):
    """Has one text for every reason, so that it reveals nothing about accounts."""

    code = "google_refused"


@dataclass(frozen=True)
class Identity:
    """Claims of a verified token.

    subject: Google's id of the person. email: lower case. picture: an https URL or None.
    """

    subject: str
    email: str
    email_verified: bool
    first_name: str
    last_name: str
    picture: str | None


def verify_id_token(token: str) -> Identity:
    """Return the claims of an ID token for this site.

    Raises NotConfigured, LoginRefused, or Unavailable if Google's keys cannot be fetched.
    """
    if not settings.GOOGLE_CLIENT_ID:
        raise NotConfigured
    try:
        claims = id_token.verify_oauth2_token(
            token,
            partial(Request(), timeout=CERTIFICATE_TIMEOUT),
            settings.GOOGLE_CLIENT_ID,
            clock_skew_in_seconds=10,
        )
    except exceptions.TransportError as error:
        raise Unavailable("google_unreachable") from error
    except (ValueError, RecursionError, exceptions.GoogleAuthError, jwt.PyJWTError) as error:
        raise LoginRefused from error
    subject, email = str(claims.get("sub", "")), normalize_email(str(claims.get("email", "")))
    if not subject or "@" not in email:
        raise LoginRefused
    picture = str(claims.get("picture", ""))
    return Identity(
        subject=subject,
        email=email,
        email_verified=claims.get("email_verified") is True,
        first_name=clean_line(str(claims.get("given_name", "")))[:100],
        last_name=clean_line(str(claims.get("family_name", "")))[:100],
        picture=picture if picture.startswith("https://") else None,
    )
