"""Profiles and deletions are about posts, so their tests share the fixtures of posts."""

from tests.posts.conftest import _own_uploads, new_post, queues

__all__ = ["_own_uploads", "new_post", "queues"]
