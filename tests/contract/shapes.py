"""The shapes of answers as the contract has them: exact keys, and the type of every value.

A shape is a type's name below, a dict of shapes (exactly these keys), a list of one shape, or a
tuple of alternatives. What this backend adds to the old one's answers stands apart, as `ADDED_*`.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID

Shape = Any


def _uuid(value: Any) -> bool:
    return isinstance(value, str) and str(UUID(value)) == value


def _instant(value: Any) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


def _day(value: Any) -> bool:
    return isinstance(value, str) and date.fromisoformat(value).isoformat() == value


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str)


TYPES: dict[str, Callable[[Any], bool]] = {
    "uuid": _uuid,
    "instant": _instant,
    "day": _day,
    "int": _integer,
    "count": lambda value: _integer(value) and value >= 0,
    "number": lambda value: _integer(value) or isinstance(value, float),
    "score": lambda value: (_integer(value) or isinstance(value, float)) and 0 <= value <= 1,
    "bool": lambda value: isinstance(value, bool),
    "text": _text,
    "name": lambda value: _text(value) and value != "",
    "url": lambda value: _text(value) and re.match(r"https://|/uploads/", value) is not None,
    "token": lambda value: _text(value) and value.count(".") == 2,
    "null": lambda value: value is None,
}


def nullable(shape: Shape) -> tuple[Shape, ...]:
    return (shape, "null")


def one_of(*values: str) -> Callable[[Any], bool]:
    return lambda value: value in values


def differences(value: Any, shape: Shape, where: str = "data") -> Iterator[str]:
    """Yield each difference of `value` from the shape."""
    if isinstance(shape, tuple):
        found = [list(differences(value, choice, where)) for choice in shape]
        if all(found):
            yield from found[0]
    elif isinstance(shape, dict):
        yield from _differences_of_keys(value, shape, where)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where} is no list: {value!r}"
            return
        for number, item in enumerate(value):
            yield from differences(item, shape[0], f"{where}[{number}]")
    elif not _is(value, shape):
        yield f"{where} is not {shape}: {value!r}"


def _differences_of_keys(value: Any, shape: dict[str, Shape], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no object: {value!r}"
        return
    for key in sorted(shape.keys() - value.keys()):
        yield f"{where} lacks {key}"
    for key in sorted(value.keys() - shape.keys()):
        yield f"{where} has an unexpected {key}"
    for key in shape.keys() & value.keys():
        yield from differences(value[key], shape[key], f"{where}.{key}")


def _is(value: Any, shape: Shape) -> bool:
    check = TYPES[shape] if isinstance(shape, str) else shape
    try:
        return bool(check(value))
    except ValueError:
        return False


# --- Members --------------------------------------------------------------------------------

USER_BRIEF = {
    "id": "uuid",
    "first_name": "name",
    "last_name": "text",
    "avatar_url": nullable("url"),
}
USER_CARD = {**USER_BRIEF, "bio": nullable("text"), "job": nullable("text")}
LISTED_USER = {**USER_CARD, "isFollowing": "bool"}
_FOR_OTHERS = {
    **USER_CARD,
    "cover_url": nullable("url"),
    "auth_provider": one_of("credential", "google"),
    "is_verified": "bool",
    "is_active": "bool",
    "created_at": "instant",
    "updated_at": "instant",
}
SAFE_USER = {
    **_FOR_OTHERS,
    "email": "name",
    "phone": nullable("name"),
    "date_of_birth": nullable("day"),
}
ME = {name: shape for name, shape in SAFE_USER.items() if name not in ("is_active", "updated_at")}
SESSION = {"user": ME, "token": "token"}
SURVEY = {
    "id": "uuid",
    "user_id": "uuid",
    "favorite_categories": ["uuid"],
    "usage_purposes": ["name"],
    "awareness_source": "name",
    "expectation_level": nullable(lambda value: _integer(value) and 1 <= value <= 5),
    "completed_at": "instant",
}
STATISTICS = {
    "postCount": "count",
    "totalLikes": "count",
    "totalComments": "count",
    "followerCount": "count",
    "followingCount": "count",
}
_ABOUT = {"statistics": STATISTICS, "isFollowing": "bool"}
OWN_PROFILE = {**SAFE_USER, **_ABOUT, "survey": nullable(SURVEY)}
PROFILE = {**_FOR_OTHERS, **_ABOUT, "survey": "null"}  # the answers of others are private
SIMILAR_USER = {
    **USER_BRIEF,
    "job": nullable("text"),
    "similarity_score": "score",
    "shared_interests": ["name"],
}

# --- Posts ----------------------------------------------------------------------------------

CATEGORY_BRIEF = {"id": "uuid", "name": "name", "slug": "name"}
CATEGORY = {**CATEGORY_BRIEF, "description": nullable("text"), "icon_url": nullable("text")}
POST_ROW = {
    "id": "uuid",
    "user_id": "uuid",
    "title": "name",
    "description": nullable("text"),
    "category_id": nullable("uuid"),
    "tags": nullable(["name"]),
    "visibility": one_of("public", "friends", "private"),
    "caption": nullable("text"),
    "view_count": "count",
    "like_count": "count",
    "comment_count": "count",
    "created_at": "instant",
    "updated_at": "instant",
}
ADDED_TO_IMAGES = {
    "thumbnail_url": "url",
    "preview_url": "url",
    "placeholder": "text",
    "ai_status": one_of("pending", "embedded", "done", "failed"),
    "alt_text": "text",
    "caption_source": nullable("text"),
}
POST_IMAGE = {
    "id": "uuid",
    "post_id": "uuid",
    "image_url": "url",
    "image_path": "url",
    "width": nullable("count"),
    "height": nullable("count"),
    "file_size": nullable("count"),
    "caption": nullable("text"),
    "ai_caption": nullable("text"),
    "user_caption": nullable("text"),
    "display_order": "count",
    "created_at": "instant",
    **ADDED_TO_IMAGES,
}
ADDED_TO_POSTS = {"isSaved": "bool"}
_POST = {
    **POST_ROW,
    "user": USER_BRIEF,
    "category": nullable(CATEGORY_BRIEF),
    "isLiked": "bool",
    **ADDED_TO_POSTS,
}
POST_LIST_ITEM = {**_POST, "image": nullable(POST_IMAGE)}
POST_DETAIL = {**_POST, "images": [POST_IMAGE]}
COMMENT = {
    "id": "uuid",
    "user_id": "uuid",
    "post_id": "uuid",
    "parent_comment_id": nullable("uuid"),
    "content": "name",
    "created_at": "instant",
    "updated_at": "instant",
    "user": USER_BRIEF,
}
ACTIVITY = {
    "id": "uuid",
    "user_id": "uuid",
    "post_id": "uuid",
    "activity_type": one_of("view", "like", "comment", "save", "share"),
    "created_at": "instant",
    "post": POST_LIST_ITEM,  # the old backend's had neither image nor hearts
}
OWN_REACTION = {
    "id": "uuid",
    "post_id": "uuid",
    "created_at": "instant",
    "post": nullable(POST_LIST_ITEM),
}
OWN_COMMENT = {
    **OWN_REACTION,
    "parent_comment_id": nullable("uuid"),
    "content": "name",
    "updated_at": "instant",
}
OWN_FILE = {"url": "url", "filename": "name", "size": "count", "created_at": "instant"}
METADATA = {"category_id": "uuid", "tags": ["name"], "description": "name", "caption": "name"}

DUPLICATE = {
    "kind": one_of("exact", "near"),
    "own": "bool",
    "post_id": "uuid",
    "title": "name",
    "created_at": "instant",
    "user": USER_BRIEF,
    "image": POST_IMAGE,
}
REASON = {
    "kind": one_of("liked", "saved", "viewed", "category", "popular"),
    "text": "name",
    "post_id": nullable("uuid"),
}
RECOMMENDATION = {**POST_LIST_ITEM, "reason": REASON}

# --- Search ---------------------------------------------------------------------------------

SEARCH_RESULT = {
    "post_id": "uuid",
    "image_id": "uuid",
    "image_url": "url",
    "similarity_score": "score",
    "search_method": one_of("embedding", "caption", "hybrid"),
    "post": POST_LIST_ITEM,
}
ADDED_TO_TEXT_SEARCH = {"ai_available": "bool"}
FOUND = {"results": [SEARCH_RESULT], "count": "count"}
FOUND_BY_TEXT = {
    **FOUND,
    "query_type": one_of("text"),
    "query": "name",
    **ADDED_TO_TEXT_SEARCH,
}
FOUND_BY_IMAGE = {**FOUND, "query_type": one_of("image"), "generated_caption": "text"}

# --- Notifications, forms, the system -------------------------------------------------------

NOTIFICATION = {
    "id": "uuid",
    "user_id": "uuid",
    "type": one_of("like", "comment", "follow", "mention"),
    "content": "name",
    "related_user_id": nullable("uuid"),
    "post_id": nullable("uuid"),
    "is_read": "bool",
    "created_at": "instant",
    "related_user": nullable(USER_BRIEF),
    "post": nullable({"id": "uuid", "title": "name"}),
}
NOTIFICATIONS = {"notifications": [NOTIFICATION], "total": "count", "unreadCount": "count"}
OPTION = {"value": "name", "label": "name"}
PAGINATION = {"page": "count", "limit": "count", "total": "count", "totalPages": "count"}
HEALTH = {
    "success": "bool",
    "message": "name",
    "timestamp": "instant",
    "uptime": "number",
    "environment": "name",
    "version": one_of("1.0.0"),
}
ADDED_TO_HEALTH = {
    "status": one_of("healthy"),
    "device": "name",
    "models_loaded": {"clip": "bool", "blip": "bool"},
    "database": "bool",
    "redis": "bool",
}
