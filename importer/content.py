"""Posts, and what members say and do about them."""

from collections.abc import Mapping, Sequence
from typing import Any

from accounts.models import User
from importer.categories import Categories
from importer.rows import Row, with_owners
from importer.staging import Target
from importer.table_import import Step
from posts.models import Activity, Comment, Like, Post, SavedPost
from posts.services import UNTITLED
from posts.visibility import Visibility


class Posts(Step):
    table = "posts"
    columns = (
        *("id", "user_id", "title", "description", "category_id", "tags", "visibility"),
        *("view_count", "like_count", "comment_count", "caption", "created_at", "updated_at"),
    )
    needed = ("id", "user_id")
    target = Target(
        Post,
        (*columns, "open_fields"),
        newer="s.updated_at > t.updated_at",
        merged={
            "view_count": "GREATEST(s.view_count, t.view_count)",
            "like_count": "t.like_count",  # corrected from the rows at the end
            "comment_count": "t.comment_count",
        },
    )

    def __init__(self, categories: Categories) -> None:
        self._categories = categories

    def clean(self, rows: Sequence[Row]) -> list[Mapping[str, Any]]:
        return [self._post(row) for row in with_owners(rows, {"user_id": User})]

    def _post(self, row: Row) -> dict[str, Any]:
        created_at = row.moment("created_at")
        return {
            "id": row.id,
            "user_id": row.reference("user_id"),
            "title": _title(row),
            "description": row.text("description"),
            "category_id": self._categories.of(row, "category_id"),
            "tags": row.texts("tags"),
            "visibility": _visibility(row),
            "view_count": row.count("view_count"),
            "like_count": row.count("like_count"),
            "comment_count": row.count("comment_count"),
            "caption": row.text("caption"),
            "open_fields": [],  # what is written there is the author's: no AI may replace it
            "created_at": created_at,
            "updated_at": row.moment("updated_at") or created_at,
        }


def _title(row: Row) -> str:
    title = row.text("title", 255)
    if title is None or not title.strip():
        row.note(f'title is blank: "{UNTITLED}"')
        return UNTITLED
    return title


def _visibility(row: Row) -> str:
    visibility = row.words("visibility").lower()
    if visibility in Visibility.values:
        return visibility
    row.note("visibility is unknown: private, so that nobody sees what was not meant for them")
    return Visibility.PRIVATE


class Comments(Step):
    """A reply's parent is read before it: the order lets no circle of replies through."""

    table = "comments"
    columns = (
        *("id", "user_id", "post_id", "parent_comment_id", "content"),
        *("created_at", "updated_at"),
    )
    needed = ("id", "user_id", "post_id")
    order = ("created_at", "parent_comment_id IS NOT NULL", "id")
    target = Target(Comment, columns, newer="s.updated_at > t.updated_at")

    def clean(self, rows: Sequence[Row]) -> list[Mapping[str, Any]]:
        kept = with_owners(rows, {"user_id": User, "post_id": Post})
        comments = [_comment(row) for row in kept]
        wanted = {comment["parent_comment_id"] for comment in comments}
        stored = Comment.objects.filter(pk__in=wanted - {None})
        names = ("id", "post_id", "parent_comment_id", "created_at")
        parents = {comment["id"]: comment for comment in stored.values(*names)}
        parents |= {comment["id"]: comment for comment in comments}
        for row, comment in zip(kept, comments, strict=True):
            parent_id = comment["parent_comment_id"]
            if parent_id is None:
                continue
            if reason := _why_not_below(parents.get(parent_id), comment):
                row.note(f"{reason}: a comment of its own")
                comment["parent_comment_id"] = None
        return [*comments]


def _comment(row: Row) -> dict[str, Any]:
    created_at = row.moment("created_at")
    return {
        "id": row.id,
        "user_id": row.reference("user_id"),
        "post_id": row.reference("post_id"),
        "parent_comment_id": row.reference("parent_comment_id"),
        "content": row.text("content") or "",
        "created_at": created_at,
        "updated_at": row.moment("updated_at") or created_at,
    }


def _why_not_below(parent: Mapping[str, Any] | None, reply: Mapping[str, Any]) -> str:
    if parent is None:
        return "the comment that it replies to does not exist"
    if parent["post_id"] != reply["post_id"]:
        return "the comment that it replies to belongs to another post"
    times = parent["created_at"], reply["created_at"]
    if None in times or times[0] > times[1]:
        return "the comment that it replies to is younger"
    if times[0] == times[1] and parent["parent_comment_id"] is not None:
        return "the comment that it replies to is just as old"
    return ""


_DEED: tuple[str, ...] = ("id", "user_id", "post_id", "created_at")


class _Deed(Step):
    """A member and a post."""

    columns = _DEED
    needed = ("id", "user_id", "post_id")

    def clean(self, rows: Sequence[Row]) -> list[Mapping[str, Any]]:
        return [self._deed(row) for row in with_owners(rows, {"user_id": User, "post_id": Post})]

    def _deed(self, row: Row) -> dict[str, Any]:
        return {
            "id": row.id,
            "user_id": row.reference("user_id"),
            "post_id": row.reference("post_id"),
            "created_at": row.moment("created_at"),
        }


class Likes(_Deed):
    table = "likes"
    target = Target(Like, _DEED, twice="the member likes the same post twice")


class SavedPosts(_Deed):
    table = "saved_posts"
    target = Target(SavedPost, _DEED, twice="the member saved the same post twice")


class Activities(_Deed):
    table = "user_activities"
    columns = (*_DEED, "activity_type")
    target = Target(Activity, columns)

    def _deed(self, row: Row) -> dict[str, Any]:
        return {**super()._deed(row), "activity_type": row.words("activity_type", 50)}
