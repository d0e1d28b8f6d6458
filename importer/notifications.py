"""Notifications."""

from collections.abc import Mapping, Sequence
from typing import Any

from accounts.models import User
from importer.rows import Row, present, with_owners
from importer.staging import Target
from importer.table_import import Step
from notifications.models import Notification, NotificationType
from posts.models import Post


class Notifications(Step):
    """The old backend told the same thing again and again: the latest of it is kept."""

    table = "notifications"
    columns = (
        *("id", "user_id", "type", "content", "related_user_id", "post_id", "is_read"),
        "created_at",
    )
    needed = ("id", "user_id", "type")
    order = ("created_at DESC NULLS LAST", "id")
    target = Target(
        Notification,
        columns,
        newer="s.is_read AND NOT t.is_read",
        merged={
            name: f"t.{name}" for name in columns if name not in ("id", "is_read", "created_at")
        },
        twice="the same was told later, or is told already",
    )

    def clean(self, rows: Sequence[Row]) -> list[Mapping[str, Any]]:
        kept = with_owners(rows, {"user_id": User})
        users = present(User, (row.reference("related_user_id") for row in kept))
        posts = present(Post, (row.reference("post_id") for row in kept))
        cleaned = []
        for row in kept:
            actor, post = row.reference("related_user_id"), row.reference("post_id")
            if row.values["type"] not in NotificationType.values:
                row.skip("its type is unknown")
            elif (actor and actor not in users) or (post and post not in posts):
                row.skip("it is about a member or a post that was not taken")
            else:
                cleaned.append(_notification(row))
        return [*cleaned]


def _notification(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "user_id": row.reference("user_id"),
        "type": row.values["type"],
        "content": row.text("content") or "",
        "related_user_id": row.reference("related_user_id"),
        "post_id": row.reference("post_id"),
        "is_read": row.flag("is_read", default=False),
        "created_at": row.moment("created_at"),
    }
