"""The import of posts, comments, likes, saved posts and activities."""

from collections.abc import Sequence
from typing import Any

from accounts.models import User
from ai.repetition import without_repetition
from importer.categories import Categories
from importer.rows import Row, drop_orphans
from importer.staging import CleanRow, Target
from importer.table_import import TableImport
from posts.models import Activity, Comment, Like, Post, SavedPost
from posts.services import UNTITLED
from posts.tags import clean_tags
from posts.visibility import Visibility

_Columns = dict[str, Any]


class Posts(TableImport):
    table = "posts"
    columns = (
        *("id", "user_id", "title", "description", "category_id", "tags", "visibility"),
        *("view_count", "like_count", "comment_count", "caption", "created_at", "updated_at"),
    )
    required = ("id", "user_id")
    target = Target(
        Post,
        (*columns, "open_fields"),
        replace_when="s.updated_at > t.updated_at",
        merged={
            "view_count": "GREATEST(s.view_count, t.view_count)",
            "like_count": "t.like_count",  # corrected from the rows at the end
            "comment_count": "t.comment_count",
        },
    )

    def __init__(self, categories: Categories) -> None:
        self._categories = categories

    def clean(self, rows: Sequence[Row]) -> list[CleanRow]:
        return [self._post(row) for row in drop_orphans(rows, {"user_id": User})]

    def _post(self, row: Row) -> CleanRow:
        created_at = row.timestamp("created_at")
        return {
            "id": row.id,
            "user_id": row.uuid("user_id"),
            "title": _title(row),
            "description": row.text("description"),
            "category_id": self._categories.local_id(row, "category_id"),
            "tags": clean_tags(row.text_list("tags") or []) or None,
            "visibility": _visibility(row),
            "view_count": row.count("view_count"),
            "like_count": row.count("like_count"),
            "comment_count": row.count("comment_count"),
            "caption": without_repetition(row.text("caption")),
            "open_fields": [],  # all texts are the author's: the AI may not replace them
            "created_at": created_at,
            "updated_at": row.timestamp("updated_at") or created_at,
        }


def _title(row: Row) -> str:
    title = row.line("title", 255)
    if not title:
        row.note(f'title is blank: "{UNTITLED}"')
        return UNTITLED
    return title


def _visibility(row: Row) -> str:
    visibility = row.stripped("visibility").lower()
    if visibility in Visibility.values:
        return visibility
    row.note("visibility is unknown: private, so that nobody sees it by mistake")
    return Visibility.PRIVATE


class Comments(TableImport):
    """Parents are read before their replies, so replies cannot form a circle."""

    table = "comments"
    columns = (
        *("id", "user_id", "post_id", "parent_comment_id", "content"),
        *("created_at", "updated_at"),
    )
    required = ("id", "user_id", "post_id")
    order = ("created_at", "parent_comment_id IS NOT NULL", "id")
    target = Target(Comment, columns, replace_when="s.updated_at > t.updated_at")

    def clean(self, rows: Sequence[Row]) -> list[CleanRow]:
        complete = drop_orphans(rows, {"user_id": User, "post_id": Post})
        comments = [_comment(row) for row in complete]
        wanted = {comment["parent_comment_id"] for comment in comments}
        stored = Comment.objects.filter(pk__in=wanted - {None})
        names = ("id", "post_id", "parent_comment_id", "created_at")
        parents = {comment["id"]: comment for comment in stored.values(*names)}
        parents |= {comment["id"]: comment for comment in comments}
        for row, comment in zip(complete, comments, strict=True):
            parent_id = comment["parent_comment_id"]
            if parent_id is None:
                continue
            if reason := _no_reply_reason(parents.get(parent_id), comment):
                row.note(f"{reason}: imported as a top-level comment")
                comment["parent_comment_id"] = None
        return [*comments]


def _comment(row: Row) -> _Columns:
    created_at = row.timestamp("created_at")
    return {
        "id": row.id,
        "user_id": row.uuid("user_id"),
        "post_id": row.uuid("post_id"),
        "parent_comment_id": row.uuid("parent_comment_id"),
        "content": row.text("content") or "",
        "created_at": created_at,
        "updated_at": row.timestamp("updated_at") or created_at,
    }


def _no_reply_reason(parent: _Columns | None, reply: _Columns) -> str:
    """Return why the comment cannot be a reply to its parent, or ""."""
    if parent is None:
        return "the parent comment does not exist"
    if parent["post_id"] != reply["post_id"]:
        return "the parent comment belongs to another post"
    times = parent["created_at"], reply["created_at"]
    if None in times or times[0] > times[1]:
        return "the parent comment is newer"
    if times[0] == times[1] and parent["parent_comment_id"] is not None:
        return "the parent comment is a reply of the same time"
    return ""


_INTERACTION_COLUMNS: tuple[str, ...] = ("id", "user_id", "post_id", "created_at")


class _Interaction(TableImport):
    """A table with one row per member and post."""

    columns = _INTERACTION_COLUMNS
    required = ("id", "user_id", "post_id")

    def clean(self, rows: Sequence[Row]) -> list[CleanRow]:
        complete = drop_orphans(rows, {"user_id": User, "post_id": Post})
        return [self._interaction(row) for row in complete]

    def _interaction(self, row: Row) -> CleanRow:
        return {
            "id": row.id,
            "user_id": row.uuid("user_id"),
            "post_id": row.uuid("post_id"),
            "created_at": row.timestamp("created_at"),
        }


class Likes(_Interaction):
    table = "likes"
    target = Target(Like, _INTERACTION_COLUMNS, conflict="the member likes the post already")


class SavedPosts(_Interaction):
    table = "saved_posts"
    target = Target(SavedPost, _INTERACTION_COLUMNS, conflict="the member saved the post already")


class Activities(_Interaction):
    table = "user_activities"
    columns = (*_INTERACTION_COLUMNS, "activity_type")
    target = Target(Activity, columns)

    def _interaction(self, row: Row) -> CleanRow:
        return {**super()._interaction(row), "activity_type": row.stripped("activity_type", 50)}
