"""The import of users, their surveys and follows."""

import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db.models.functions import Lower

from accounts.hashers import with_algorithm
from accounts.models import Follow, Survey, User
from importer.categories import Categories
from importer.old_files import FILE_BATCH_SIZE, OldFiles
from importer.profile_images import FOLDERS, import_profile_images
from importer.rows import Row, as_uuid, drop_orphans
from importer.staging import CleanRow, Target
from importer.table_import import TableImport
from smimso.login_names import normalize_email, normalize_phone

_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_MAX_EMAIL_LENGTH = 255


class Users(TableImport):
    """No user is skipped, because everything else belongs to users."""

    table = "users"
    columns = (
        *("id", "email", "phone", "password_hash", "first_name", "last_name", "date_of_birth"),
        *("job", "avatar_url", "cover_url", "bio", "auth_provider", "google_id"),
        *("is_verified", "is_active", "created_at", "updated_at"),
    )
    target = Target(
        User,
        columns,
        replace_when="s.updated_at > t.updated_at OR s.updated_at = t.updated_at AND ("
        "t.avatar_url IS NULL AND s.avatar_url IS NOT NULL"
        " OR t.cover_url IS NULL AND s.cover_url IS NOT NULL)",
        # A password that was changed or rehashed here is kept.
        merged={
            "password_hash": "CASE WHEN t.password_hash LIKE 'bcrypt$%'"
            " AND s.password_hash LIKE 'bcrypt$%' THEN s.password_hash ELSE t.password_hash END"
        },
    )

    def __init__(self, files: OldFiles) -> None:
        self._files = files
        if files.directory is not None:
            self.max_batch = FILE_BATCH_SIZE

    def clean(self, rows: Sequence[Row]) -> list[CleanRow]:
        emails = _current_owners("email", (normalize_email(row.stripped("email")) for row in rows))
        typed = [row.stripped("phone") for row in rows]
        numbers = [normalize_phone(phone) or "" for phone in typed]
        phones = _current_owners("phone", [*typed, *numbers])
        google_ids = _current_owners("google_id", (row.stripped("google_id") for row in rows))
        images = import_profile_images(rows, self._files)
        return [
            {
                **_profile_fields(row),
                "email": _unique_email(row, emails),
                "phone": _unique_phone(row, phones),
                "google_id": _unique_text(row, "google_id", 255, google_ids),
                **{column: images[row.id, column] for column in FOLDERS},
            }
            for row in rows
        ]


def _profile_fields(row: Row) -> CleanRow:
    provider = row.stripped("auth_provider", 50)
    created_at = row.timestamp("created_at")
    return {
        "id": row.id,
        "password_hash": _password_hash(row),
        "first_name": row.line("first_name", 100) or _placeholder_name(row),
        "last_name": row.line("last_name", 100),
        "date_of_birth": row.date("date_of_birth"),
        "job": row.line("job", 255) or None,
        "bio": row.text("bio"),
        "auth_provider": provider or ("google" if row.stripped("google_id") else "credential"),
        "is_verified": row.boolean("is_verified", default=False),
        "is_active": row.boolean("is_active", default=True),
        "created_at": created_at,
        "updated_at": row.timestamp("updated_at") or created_at,
    }


def _placeholder_name(row: Row) -> str:
    row.note('first_name is blank: "User"')
    return "User"


def _password_hash(row: Row) -> str:
    """Return the bcrypt hash in Django's form, or a hash that no password matches."""
    hashed = row.stripped("password_hash")
    if _BCRYPT.fullmatch(hashed):
        return with_algorithm(hashed)
    if hashed:
        row.note("password_hash is not bcrypt: the member has to set a new password")
    return make_password(None)


def _current_owners(field: str, values: Iterable[str]) -> dict[str, UUID]:
    """Return the ids of the users who have these values, by the value in lower case."""
    wanted = {value.lower() for value in values if value}
    known = User.objects.annotate(lowered=Lower(field)).filter(lowered__in=wanted)
    return dict(known.values_list("lowered", "pk"))


def _unique_email(row: Row, owners: dict[str, UUID]) -> str:
    """Return a valid address that no other account has.

    Of accounts that spell an address differently, the oldest one keeps it. They are not merged,
    because nobody proved to own the address. The others keep their posts and get
    `name+<start of the id>@domain`, which reaches the same mailbox.
    """
    email = normalize_email(row.stripped("email"))
    if not _EMAIL.fullmatch(email) or len(email) > _MAX_EMAIL_LENGTH:
        row.note("email is not an address: replaced by <id>@unknown.invalid")
        email = f"{row.id}@unknown.invalid"
    if owners.setdefault(email, row.id) == row.id:
        return email
    row.note("email belongs to an older account in another spelling: name+<start of the id>@domain")
    name, _, domain = email.rpartition("@")
    tag = f"+{row.id.hex[:8]}@{domain}"
    return name[: _MAX_EMAIL_LENGTH - len(tag)] + tag


def _unique_phone(row: Row, owners: dict[str, UUID]) -> str | None:
    """Return the number in E.164 form, or as typed if an older account has it or it is none."""
    number = normalize_phone(row.stripped("phone"))
    if number and owners.setdefault(number, row.id) == row.id:
        return number
    typed = _unique_text(row, "phone", 20, owners)
    if number and typed:
        row.note("phone belongs to an older account in another spelling: stored as typed")
    return typed


def _unique_text(row: Row, column: str, max_length: int, owners: dict[str, UUID]) -> str | None:
    value = row.uncut_text(column, max_length)
    if value is None:
        return None
    if owners.setdefault(value.lower(), row.id) != row.id:
        row.note(f"{column} belongs to an older account: left empty")
        return None
    return value


class Surveys(TableImport):
    table = "surveys"
    columns = (
        *("id", "user_id", "favorite_categories", "usage_purposes", "awareness_source"),
        *("expectation_level", "completed_at"),
    )
    required = ("id", "user_id")
    order = ("completed_at DESC NULLS LAST", "id")  # the last of several answers wins
    target = Target(
        Survey,
        columns,
        replace_when="s.completed_at > t.completed_at",
        conflict="the member has another one",
    )

    def __init__(self, categories: Categories) -> None:
        self._categories = categories

    def clean(self, rows: Sequence[Row]) -> list[CleanRow]:
        return [
            {
                "id": row.id,
                "user_id": row.uuid("user_id"),
                "favorite_categories": self._favorite_categories(row),
                "usage_purposes": row.text_list("usage_purposes"),
                "awareness_source": row.text("awareness_source", 100),
                "expectation_level": _level(row),
                "completed_at": row.timestamp("completed_at"),
            }
            for row in drop_orphans(rows, {"user_id": User})
        ]

    def _favorite_categories(self, row: Row) -> list[str] | None:
        """Replace the source's category ids by ours; anything else stays as it is."""
        favorites = row.text_list("favorite_categories")
        if favorites is None:
            return None
        local_ids = self._categories.local_ids
        return [str(local_ids.get(as_uuid(each) or UUID(int=0), each)) for each in favorites]


def _level(row: Row) -> int | None:
    level = row.values["expectation_level"]
    if level is None or (isinstance(level, int) and 1 <= level <= 5):
        return level
    row.note("expectation_level is not 1 to 5: left empty")
    return None


class Follows(TableImport):
    table = "follows"
    columns = ("id", "follower_id", "following_id", "created_at")
    required = ("id", "follower_id", "following_id")
    target = Target(Follow, columns, conflict="the same follow exists already")

    def clean(self, rows: Sequence[Row]) -> list[CleanRow]:
        follows = []
        for row in drop_orphans(rows, {"follower_id": User, "following_id": User}):
            if row.uuid("follower_id") == row.uuid("following_id"):
                row.skip("the member follows themselves")
            else:
                follows.append(row)
        return [
            {
                "id": row.id,
                "follower_id": row.uuid("follower_id"),
                "following_id": row.uuid("following_id"),
                "created_at": row.timestamp("created_at"),
            }
            for row in follows
        ]
