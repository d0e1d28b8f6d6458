"""The import of notifications."""

from collections.abc import Sequence

from accounts.models import User
from importer.rows import Row, drop_orphans, existing_ids
from importer.staging import CleanRow, Target
from importer.table_import import TableImport
from notifications.models import Notification, NotificationType
from posts.models import Post


class Notifications(TableImport):
    """The old backend stored the same notification repeatedly; the latest one is imported."""

    table = "notifications"
    columns = (
        *("id", "user_id", "type", "content", "related_user_id", "post_id", "is_read"),
        "created_at",
    )
    required = ("id", "user_id", "type")
    order = ("created_at DESC NULLS LAST", "id")
    target = Target(
        Notification,
        columns,
        replace_when="s.is_read AND NOT t.is_read",
        merged={
            name: f"t.{name}" for name in columns if name not in ("id", "is_read", "created_at")
        },
        conflict="a later or stored notification says the same",
    )

    def clean(self, rows: Sequence[Row]) -> list[CleanRow]:
        with_recipient = drop_orphans(rows, {"user_id": User})
        users = existing_ids(User, (row.uuid("related_user_id") for row in with_recipient))
        posts = existing_ids(Post, (row.uuid("post_id") for row in with_recipient))
        cleaned = []
        for row in with_recipient:
            actor, post = row.uuid("related_user_id"), row.uuid("post_id")
            if row.values["type"] not in NotificationType.values:
                row.skip("its type is unknown")
            elif (actor and actor not in users) or (post and post not in posts):
                row.skip("it refers to a member or a post that was not imported")
            else:
                cleaned.append(_notification(row))
        return cleaned


def _notification(row: Row) -> CleanRow:
    return {
        "id": row.id,
        "user_id": row.uuid("user_id"),
        "type": row.values["type"],
        "content": row.text("content") or "",
        "related_user_id": row.uuid("related_user_id"),
        "post_id": row.uuid("post_id"),
        "is_read": row.boolean("is_read", default=False),
        "created_at": row.timestamp("created_at"),
    }
