"""Posts with vectors, as in the tests of search."""

from tests.search.conftest import vector_post

__all__ = ["vector_post"]
