"""Users, their surveys and whom they follow."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db.models.functions import Lower

from accounts.models import Follow, Survey, User
from importer.categories import Categories
from importer.old_files import AT_A_TIME, OldFiles
from importer.profile_images import FOLDERS, portraits_of
from importer.rows import Row, as_uuid, with_owners
from importer.staging import Target
from importer.table_import import Step

_BCRYPT = re.compile(r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_LONGEST_EMAIL = 255


class Users(Step):
    """Nobody is left out, for everything else hangs on members."""

    table = "users"
    columns = (
        *("id", "email", "phone", "password_hash", "first_name", "last_name", "date_of_birth"),
        *("job", "avatar_url", "cover_url", "bio", "auth_provider", "google_id"),
        *("is_verified", "is_active", "created_at", "updated_at"),
    )
    target = Target(
        User,
        columns,
        newer="s.updated_at > t.updated_at OR s.updated_at = t.updated_at AND ("
        "t.avatar_url IS NULL AND s.avatar_url IS NOT NULL"
        " OR t.cover_url IS NULL AND s.cover_url IS NOT NULL)",
        # A password that was changed or hashed anew here is the member's own.
        merged={
            "password_hash": "CASE WHEN t.password_hash LIKE '$2%' AND s.password_hash LIKE '$2%'"
            " THEN s.password_hash ELSE t.password_hash END"
        },
    )

    def __init__(self, files: OldFiles) -> None:
        self._files = files
        if files.directory is not None:
            self.most = AT_A_TIME

    def clean(self, rows: Sequence[Row]) -> list[Mapping[str, Any]]:
        emails = _owners("email", (row.words("email") for row in rows))
        phones = _owners("phone", (row.words("phone") for row in rows))
        google_ids = _owners("google_id", (row.words("google_id") for row in rows))
        portraits = portraits_of(rows, self._files)
        return [
            {
                **_person(row),
                "email": _email(row, emails),
                "phone": _unique(row, "phone", 20, phones),
                "google_id": _unique(row, "google_id", 255, google_ids),
                **{column: portraits[row.id, column] for column in FOLDERS},
            }
            for row in rows
        ]


def _person(row: Row) -> dict[str, Any]:
    provider = row.words("auth_provider", 50)
    created_at = row.moment("created_at")
    return {
        "id": row.id,
        "password_hash": _password(row),
        "first_name": row.words("first_name", 100) or _without_name(row),
        "last_name": row.words("last_name", 100),
        "date_of_birth": row.day("date_of_birth"),
        "job": row.text("job", 255),
        "bio": row.text("bio"),
        "auth_provider": provider or ("google" if row.words("google_id") else "credential"),
        "is_verified": row.flag("is_verified", default=False),
        "is_active": row.flag("is_active", default=True),
        "created_at": created_at,
        "updated_at": row.moment("updated_at") or created_at,
    }


def _without_name(row: Row) -> str:
    row.note('first_name is blank: "User"')
    return "User"


def _password(row: Row) -> str:
    """bcrypt as it is; logging in renews it. Nothing else can be a password's hash."""
    hashed = row.words("password_hash")
    if _BCRYPT.fullmatch(hashed):
        return hashed
    if hashed:
        row.note("password_hash is not bcrypt: the member has to set a new password")
    return make_password(None)


def _owners(field: str, values: Iterable[str]) -> dict[str, UUID]:
    """Who has these values already, by the value in lower case."""
    wanted = {value.lower() for value in values if value}
    known = User.objects.annotate(lowered=Lower(field)).filter(lowered__in=wanted)
    return dict(known.values_list("lowered", "pk"))


def _email(row: Row, owners: dict[str, UUID]) -> str:
    """The oldest account keeps an address that several spell differently.

    They are not merged: nobody ever proved that the address is theirs. Nor is one left out, with
    all its posts: it gets `name+<start of its id>@domain`, which reaches the same mailbox.
    """
    email = row.words("email").lower()
    if not _EMAIL.fullmatch(email) or len(email) > _LONGEST_EMAIL:
        row.note("email is no address: replaced by <id>@unknown.invalid")
        email = f"{row.id}@unknown.invalid"
    if owners.setdefault(email, row.id) == row.id:
        return email
    row.note("email is an older account's in another spelling: name+<start of the id>@domain")
    name, _, domain = email.rpartition("@")
    tag = f"+{row.id.hex[:8]}@{domain}"
    return name[: _LONGEST_EMAIL - len(tag)] + tag


def _unique(row: Row, column: str, most: int, owners: dict[str, UUID]) -> str | None:
    value = row.whole_text(column, most)
    if value is None:
        return None
    if owners.setdefault(value.lower(), row.id) != row.id:
        row.note(f"{column} is an older account's: left out")
        return None
    return value


class Surveys(Step):
    table = "surveys"
    columns = (
        *("id", "user_id", "favorite_categories", "usage_purposes", "awareness_source"),
        *("expectation_level", "completed_at"),
    )
    needed = ("id", "user_id")
    order = ("completed_at DESC NULLS LAST", "id")  # of several the last answer counts
    target = Target(
        Survey, columns, newer="s.completed_at > t.completed_at", twice="the member has another"
    )

    def __init__(self, categories: Categories) -> None:
        self._categories = categories

    def clean(self, rows: Sequence[Row]) -> list[Mapping[str, Any]]:
        return [
            {
                "id": row.id,
                "user_id": row.reference("user_id"),
                "favorite_categories": self._favourites(row),
                "usage_purposes": row.texts("usage_purposes"),
                "awareness_source": row.text("awareness_source", 100),
                "expectation_level": _level(row),
                "completed_at": row.moment("completed_at"),
            }
            for row in with_owners(rows, {"user_id": User})
        ]

    def _favourites(self, row: Row) -> list[str] | None:
        """They are ids of categories, in the old database's terms."""
        favourites = row.texts("favorite_categories")
        if favourites is None:
            return None
        ours = (self._categories.ours.get(as_uuid(one) or UUID(int=0)) for one in favourites)
        return [str(our or their) for our, their in zip(ours, favourites, strict=True)]


def _level(row: Row) -> int | None:
    level = row.values["expectation_level"]
    if level is None or (isinstance(level, int) and 1 <= level <= 5):
        return level
    row.note("expectation_level is not 1 to 5: left out")
    return None


class Follows(Step):
    table = "follows"
    columns = ("id", "follower_id", "following_id", "created_at")
    needed = ("id", "follower_id", "following_id")
    target = Target(Follow, columns, twice="follows the same member twice")

    def clean(self, rows: Sequence[Row]) -> list[Mapping[str, Any]]:
        others = []
        for row in with_owners(rows, {"follower_id": User, "following_id": User}):
            if row.reference("follower_id") == row.reference("following_id"):
                row.skip("follows oneself")
            else:
                others.append(row)
        return [
            {
                "id": row.id,
                "follower_id": row.reference("follower_id"),
                "following_id": row.reference("following_id"),
                "created_at": row.moment("created_at"),
            }
            for row in others
        ]
