"""The one form of an e-mail address and of a phone number, however they are typed."""

import re
import unicodedata

import phonenumbers
from django.conf import settings

from smimso.visible_text import clean_line

MAX_TYPED_PHONE = 40  # characters
# Digits, with blanks, brackets, dots and dashes between them.
_PHONE = re.compile(r"[\s(]*\+?[\d\s().\u00b7\u2010-\u2015\u2212-]+")


def normalize_email(text: str) -> str:
    """Return the address in lower case and compatibility form (NFKC)."""
    return unicodedata.normalize("NFKC", clean_line(text)).strip().lower()


def normalize_phone(text: str) -> str | None:
    """Return the number in E.164 form, as in +84912345678; None if it cannot be one.

    A number without a country code is one of settings.PHONE_REGION.
    """
    line = clean_line(text)
    if len(line) > MAX_TYPED_PHONE:
        return None
    visible = (char for char in line if unicodedata.category(char) != "Cf")
    typed = unicodedata.normalize("NFKC", "".join(visible))
    if not _PHONE.fullmatch(typed):
        return None
    try:
        number = phonenumbers.parse(typed, settings.PHONE_REGION)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normalize_login(text: str) -> str:
    """Return the e-mail address or phone number; any other text in lower case."""
    email = normalize_email(text)
    return email if "@" in email else normalize_phone(text) or email
