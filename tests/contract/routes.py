"""The routes of the contract (rest.md, sections 2 to 10), one row each; some have a second row.

`{names}` in paths and bodies are filled from the test's world.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.contract import shapes
from tests.contract.shapes import Shape

BOTH, ROOT = ("/api", ""), ("",)
NO_DATA = "null"


@dataclass(frozen=True)
class Route:
    """A request and its answer. json, form, files: the body; files has pictures by field.

    whole: the shape is that of the whole body, not of its `data`.
    """

    method: str
    path: str
    data: Shape
    message: str | None = None
    status: int = 200
    public: bool = False
    paginated: bool = False
    json: dict[str, Any] | None = None
    form: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    whole: bool = False
    mounts: tuple[str, ...] = BOTH
    background: bool = False  # fetched by every page: an expired token must not be a 401

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def pattern(self) -> str:
        return self.path.partition("?")[0]

    @property
    def anonymous(self) -> str:
        return without_names(self.pattern)


def without_names(path: str) -> str:
    """Replace the names in a path: two paths that differ only in them are one route."""
    return re.sub("{[^}]+}", "*", path)


def page_of(path: str, item: Shape) -> Route:
    return Route("GET", path, [item], paginated=True)


REGISTRATION = {
    "email": "New@Example.test",
    "phone": "",
    "password": "secret 6",
    "confirmPassword": "secret 6",
    "first_name": "New",
    "last_name": "",
    "date_of_birth": "",
    "job": "",
}
PROFILE_FORM = {
    "first_name": "Viewer",
    "last_name": "",
    "phone": "",
    "date_of_birth": "",
    "job": "",
    "bio": "",
}
ANSWERS = {
    "favorite_categories": ["{category}"],
    "usage_purposes": ["find_inspiration"],
    "awareness_source": "friends",
    "expectation_level": 5,
}
OPTIONS = [shapes.OPTION]

AUTH = [
    Route(
        "POST",
        "auth/register",
        shapes.SESSION,
        "Registration successful",
        status=201,
        public=True,
        json=REGISTRATION,
    ),
    Route(
        "POST",
        "auth/login",
        shapes.SESSION,
        "Login successful",
        public=True,
        json={"emailOrPhone": "owner@example.test", "password": "{password}"},
    ),
    Route(
        "POST",
        "auth/google-login",
        {**shapes.SESSION, "isNewUser": "bool"},
        message="Google login successful",
        public=True,
        json={"token": "from Google"},
    ),
    Route("GET", "auth/me", shapes.ME),
]
POSTS = [
    page_of("posts?page=1&limit=20", shapes.POST_LIST_ITEM),
    page_of("posts?categoryId={category}&limit=30&page=1", shapes.POST_LIST_ITEM),
    page_of("posts?category_id={category}&limit=12&page=1", shapes.POST_LIST_ITEM),
    page_of("posts?search=sunset&limit=50", shapes.POST_LIST_ITEM),
    Route("GET", "posts/{post}", shapes.POST_DETAIL),
    page_of("posts/user/{owner}", shapes.POST_LIST_ITEM),
    Route(
        "POST",
        "posts",
        shapes.POST_DETAIL,
        "Post created successfully",
        status=201,
        form={"visibility": "public"},
        files={"images": 2},
    ),
    Route(
        "POST",
        "posts",
        shapes.POST_DETAIL,
        "Post created successfully",
        status=201,
        form={
            "title": "Three",
            "description": "Words",
            "category_id": "{category}",
            "visibility": "friends",
            "tags": '["sea","sky"]',
            "user_captions": '["","second"]',
        },
        files={"images": 2},
    ),
    Route(
        "PUT",
        "posts/{mine}",
        shapes.POST_DETAIL,
        "Post updated successfully",
        json={"title": "Dawn", "visibility": "private", "tags": ["red"]},
    ),
    Route("POST", "posts/{post}/like", NO_DATA, "Post liked successfully"),
    Route("DELETE", "posts/{post}/like", NO_DATA, "Post unliked successfully"),
    Route(
        "POST",
        "posts/{post}/comments",
        shapes.COMMENT,
        "Comment added successfully",
        status=201,
        json={"content": "So red!"},
    ),
    Route("GET", "posts/{post}/comments", [shapes.COMMENT]),
    Route("POST", "posts/{post}/save", NO_DATA, "Post saved successfully"),
    Route("DELETE", "posts/{post}/save", NO_DATA, "Post unsaved successfully"),
    Route(
        "POST",
        "posts/upload",
        {"url": "url", "filename": "name"},
        message="File uploaded successfully",
        files={"file": 1},
    ),
    Route(
        "POST",
        "posts/generate-caption",
        {"caption": "name", "category_label": "name", "category_score": "score"},
        "Caption generated successfully",
        files={"image": 1},
    ),
    Route(
        "POST",
        "posts/generate-metadata",
        shapes.METADATA,
        "Metadata generated successfully",
        files={"images": 2},
    ),
]
BOARDS = {
    "top-creators": ("totalLikes",),
    "most-favorite": ("totalLikes", "totalViews", "totalPosts"),
    "most-viewed": ("totalViews",),
    "most-active": ("totalPosts", "totalComments", "recentPosts", "activityScore"),
}
USERS = [
    *(
        Route(
            "GET",
            f"users/{name}?limit=50",
            [{**shapes.USER_CARD, **dict.fromkeys(numbers, "count")}],
            public=True,
        )
        for name, numbers in BOARDS.items()
    ),
    Route("GET", "users/search?q=own", [shapes.USER_CARD]),
    Route("GET", "users/profile", shapes.OWN_PROFILE),
    Route(
        "PUT",
        "users/profile",
        shapes.SAFE_USER,
        "Profile updated successfully",
        json=PROFILE_FORM,
    ),
    Route(
        "POST",
        "users/profile/avatar",
        shapes.SAFE_USER,
        "Avatar uploaded successfully",
        files={"avatar": 1},
    ),
    Route(
        "POST",
        "users/profile/cover",
        shapes.SAFE_USER,
        "Cover image uploaded successfully",
        files={"cover": 1},
    ),
    page_of("users/profile/posts", shapes.POST_LIST_ITEM),
    page_of("users/liked-posts", shapes.POST_LIST_ITEM),
    Route("GET", "users/activities", [shapes.ACTIVITY]),
    Route("GET", "users/activities?type=like", [shapes.ACTIVITY]),
    Route("GET", "users/related-users?limit=5", [shapes.USER_CARD]),
    Route("GET", "users/{owner}", shapes.PROFILE),
    Route("GET", "users/{viewer}", shapes.OWN_PROFILE),
    page_of("users/{owner}/posts?limit=100", shapes.POST_LIST_ITEM),
    Route("POST", "users/{owner}/follow", NO_DATA, "Followed successfully"),
    Route("DELETE", "users/{owner}/follow", NO_DATA, "Unfollowed successfully"),
    page_of("users/{owner}/followers?page=1&limit=20", shapes.LISTED_USER),
    page_of("users/{owner}/following?page=1&limit=20", shapes.LISTED_USER),
]
FORMS = [
    Route("GET", "options/jobs", OPTIONS, "Job options retrieved successfully", public=True),
    Route(
        "GET",
        "options/categories",
        [shapes.CATEGORY],
        "Categories retrieved successfully",
        public=True,
    ),
    Route(
        "GET",
        "options",
        {
            "jobs": OPTIONS,
            "categories": [shapes.CATEGORY],
            "purposes": OPTIONS,
            "sources": OPTIONS,
            "expectations": OPTIONS,
        },
        "Options retrieved successfully",
        public=True,
    ),
    Route(
        "GET",
        "survey/options",
        {
            "categories": [shapes.CATEGORY],
            "usagePurposes": OPTIONS,
            "awarenessSources": OPTIONS,
        },
        public=True,  # contains nothing personal
    ),
    Route(
        "POST",
        "survey",
        shapes.SURVEY,
        "Survey submitted successfully",
        status=201,
        json=ANSWERS,
    ),
    Route("GET", "survey", shapes.SURVEY),
    Route("GET", "survey/status", {"hasCompleted": "bool"}),
]
NOTIFICATIONS = [
    Route("GET", "notifications?page=1&limit=50", shapes.NOTIFICATIONS, background=True),
    Route("GET", "notifications/unread-count", {"count": "count"}),
    Route("PUT", "notifications/{notification}/read", NO_DATA, "Notification marked as read"),
    Route("PUT", "notifications/read-all", NO_DATA, "All notifications marked as read"),
]
SEARCH = [
    Route("GET", "recommendations/similar-users?limit=5", [shapes.SIMILAR_USER]),
    Route(
        "POST",
        "search/image?limit=50&minSimilarity=0.25",
        shapes.FOUND_BY_IMAGE,
        "Image search completed successfully",
        files={"image": 1},
    ),
    Route(
        "POST",
        "search/text?limit=50&minSimilarity=0.3",
        shapes.FOUND_BY_TEXT,
        "Text search completed successfully",
        json={"query": "sunset"},
    ),
]
ADDED_TO_INDEX = ("schema", "docs")
_INDEX = {
    "success": "bool",
    "message": "name",
    "version": shapes.one_of("1.0.0"),
    "endpoints": dict.fromkeys(
        [
            *("auth", "survey", "posts", "users", "options", "recommendations"),
            *("notifications", "chat", "imagine", "search", "health", "testCors"),
            *ADDED_TO_INDEX,
        ],
        "name",
    ),
}
SYSTEM = [
    Route(
        "GET",
        "health",
        {**shapes.HEALTH, **shapes.ADDED_TO_HEALTH},
        message="SMIMSO API is running",
        public=True,
        whole=True,
    ),
    Route("GET", "", _INDEX, public=True, whole=True, mounts=ROOT),
    Route(
        "GET",
        "test-cors",
        {"success": "bool", "message": "name"},
        public=True,
        whole=True,
    ),
]
# Called by the frontend, and absent from the old backend.
MISSING = [
    page_of("posts/liked", shapes.POST_LIST_ITEM),
    page_of("posts/saved", shapes.POST_LIST_ITEM),
    page_of("users/saved-posts", shapes.POST_LIST_ITEM),
]
# Additions of this backend to the contract.
ADDED = [
    Route("DELETE", "posts/{mine}", NO_DATA, "Post deleted successfully"),
    Route("DELETE", "posts/{post}/comments/{comment}", NO_DATA, "Comment deleted successfully"),
    Route(
        "PATCH",
        "posts/{mine}/images/{image}",
        shapes.POST_IMAGE,
        "Caption updated successfully",
        json={"user_caption": "A red sky over the sea"},
    ),
    Route("GET", "posts/{post}/similar", shapes.FOUND),
    Route(
        "POST",
        "posts/check-duplicates",
        [{"duplicates": [shapes.DUPLICATE]}],
        files={"images": 2},
    ),
    page_of("recommendations/for-you", shapes.RECOMMENDATION),
    page_of("users/profile/comments", shapes.OWN_COMMENT),
    page_of("users/profile/likes", shapes.OWN_REACTION),
    page_of("users/profile/saves", shapes.OWN_REACTION),
    page_of("users/profile/files", shapes.OWN_FILE),
    Route("DELETE", "users/profile/files/{file}", NO_DATA, "File deleted successfully"),
    Route("DELETE", "recommendations/taste", NO_DATA, "Recommendations reset successfully"),
    Route(
        "POST",
        "auth/change-password",
        {"token": "token"},
        "Password changed successfully",
        json={"password": "{password}", "newPassword": "another secret"},
    ),
    Route(
        "DELETE",
        "auth/me",
        NO_DATA,
        "Account deleted successfully",
        json={"password": "{password}"},
    ),
]
ALL = [
    *AUTH,
    *POSTS,
    *USERS,
    *FORMS,
    *NOTIFICATIONS,
    *SEARCH,
    *SYSTEM,
    *MISSING,
    *ADDED,
]
