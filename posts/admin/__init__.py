"""Admin of posts, images, comments and categories."""

from posts.admin import categories, comments, content

__all__ = ["categories", "comments", "content"]
