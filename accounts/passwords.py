"""The one form of a password, however a keyboard composes its letters and blanks."""

import unicodedata
from typing import TYPE_CHECKING

from django.contrib.auth.password_validation import MinimumLengthValidator

if TYPE_CHECKING:
    from accounts.models import User

# Longer texts stay as they are: the time to normalize grows with the square of the length.
MAX_NORMALIZED = 4_096  # characters


def normalize_password(password: str) -> str:
    """Return the password in NFC with each blank as U+0020, as OpaqueString of RFC 8265 does."""
    if password.isascii() or len(password) > MAX_NORMALIZED:
        return password
    blanks = (" " if unicodedata.category(char) == "Zs" else char for char in password)
    return unicodedata.normalize("NFC", "".join(blanks))


def password_forms(password: str) -> list[str]:
    """Return the normalized password, and the other forms that older hashes were made of.

    Until passwords were normalized, hashes were made of the text as typed, which some systems
    decompose.
    """
    normalized = normalize_password(password)
    decomposed = normalized
    if len(normalized) <= MAX_NORMALIZED:
        decomposed = unicodedata.normalize("NFD", normalized)
    return list(dict.fromkeys([normalized, password, decomposed]))


class MinimumLength(MinimumLengthValidator):
    """Counts the characters of the normalized password."""

    def validate(self, password: str, user: "User | None" = None) -> None:
        super().validate(normalize_password(password), user)
