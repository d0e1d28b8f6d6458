"""The table of all visibility tests: which members see which posts of `owner`."""

from collections.abc import Sequence

import pytest

VISIBILITIES = ("public", "friends", "private")
# Fixtures of tests/conftest.py, and the visibilities that they see.
WHO_SEES = {
    "owner": {"public", "friends", "private"},
    "friend": {"public", "friends"},
    "follower": {"public"},
    "followed": {"public"},
    "stranger": {"public"},
    "anonymous": {"public"},
}


def each_viewer(*, without: Sequence[str] = ()) -> pytest.MarkDecorator:
    """Run a test with `viewer` and the visibilities that it sees (`seen`), for each viewer."""
    rows = [(name, seen) for name, seen in WHO_SEES.items() if name not in without]
    return pytest.mark.parametrize(
        ("viewer", "seen"), rows, ids=[name for name, _ in rows], indirect=["viewer"]
    )


each_member = each_viewer(without=["anonymous"])
