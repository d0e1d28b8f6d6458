"""The demo posts as members do, so its tests share the fixtures of posts."""

from tests.posts.conftest import _own_uploads, queues

__all__ = ["_own_uploads", "queues"]
