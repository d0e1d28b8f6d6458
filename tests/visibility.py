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


def each_hidden() -> pytest.MarkDecorator:
    """Run a test with `viewer` and a `visibility` that it does not see, for each such pair.

    What the viewer did with the post while it was visible stays the viewer's: it can be listed and
    deleted, and shows nothing of the post.
    """
    pairs = [
        (name, visibility)
        for name, seen in WHO_SEES.items()
        for visibility in VISIBILITIES
        if name != "anonymous" and visibility not in seen
    ]
    return pytest.mark.parametrize(("viewer", "visibility"), pairs, indirect=["viewer"])
