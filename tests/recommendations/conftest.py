"""Recommendations read vectors, so their tests share the fixtures of search."""

from tests.search.conftest import knows, vector_post

__all__ = ["knows", "vector_post"]
