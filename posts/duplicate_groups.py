"""Groups of images that repeat each other, for the administration: found as one turns the pages.

Nothing is stored: a page looks at the newest images, some hundred at once, and asks the indexes for
the repetitions of each. A group is shown where its newest image stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection

from posts.keyset import Cursor
from posts.models import BAND_MASKS, BAND_SHIFTS, MAX_HASH_DISTANCE, PostImage

GROUPS_PER_PAGE = 20  # of a page, at most some more
BATCH_SIZE, MAX_BATCHES = 100, 10  # images that a page looks at
MAX_GROUP_IMAGES = 30  # of a group that are shown, beside its newest


@dataclass(frozen=True)
class DuplicateGroup:
    """The newest image first. exact: all are the same file."""

    images: list[PostImage]
    exact: bool


_NEAR = """
    SELECT id, checksum, created_at FROM post_images
    WHERE ((perceptual_hash >> {shift}) & 65535) IN (
        SELECT ((looked_at.perceptual_hash >> {shift}) & 65535) # mask
        FROM unnest(%(masks)s::bigint[]) AS mask
    ) AND bit_count((perceptual_hash # looked_at.perceptual_hash)::bit(64)) <= %(bits)s
"""
_QUERY = """
    WITH looked_at AS MATERIALIZED (
        SELECT id, checksum, perceptual_hash, created_at FROM post_images
        WHERE %(pk)s::uuid IS NULL OR (created_at, id) < (%(created_at)s, %(pk)s)
        ORDER BY created_at DESC, id DESC LIMIT %(at_once)s
    )
    SELECT looked_at.id, looked_at.created_at, other.id,
        other.checksum = looked_at.checksum AND other.checksum <> '',
        (other.created_at, other.id) > (looked_at.created_at, looked_at.id)
    FROM looked_at LEFT JOIN LATERAL (
        SELECT * FROM (
            SELECT id, checksum, created_at FROM post_images
            WHERE checksum = looked_at.checksum AND checksum <> ''
            UNION
            {near}
        ) AS repeated WHERE repeated.id <> looked_at.id
        ORDER BY repeated.created_at DESC, repeated.id DESC LIMIT %(most)s
    ) AS other ON true
    ORDER BY looked_at.created_at DESC, looked_at.id DESC
"""


def find_duplicate_groups(
    after: Cursor | None = None,
) -> tuple[list[DuplicateGroup], Cursor | None]:
    """Groups that come after a place, and the place where the next page goes on, None at the end.

    A page may have no group and yet be followed by another: it looks at AT_ONCE · BATCHES images.
    """
    found: list[tuple[list[UUID], bool]] = []
    for _ in range(MAX_BATCHES):
        rows = _fetch_rows(after)
        found += list(_group_rows(rows))
        last = rows[-1] if rows else None
        after = Cursor(last[1], last[0]) if last else None
        if after is None or len(found) >= GROUPS_PER_PAGE:
            break
    images = PostImage.objects.without_vectors().select_related("post__user")
    known = images.in_bulk([pk for pks, _ in found for pk in pks])
    return [
        DuplicateGroup([known[pk] for pk in pks if pk in known], exact) for pks, exact in found
    ], after


def _fetch_rows(after: Cursor | None) -> list[tuple[UUID, datetime, UUID | None, bool, bool]]:
    near = " UNION ".join(_NEAR.format(shift=shift) for shift in BAND_SHIFTS)
    values: dict[str, Any] = {
        "masks": list(BAND_MASKS),
        "bits": MAX_HASH_DISTANCE,
        "created_at": after.created_at if after else None,
        "pk": after.pk if after else None,
        "at_once": BATCH_SIZE,
        "most": MAX_GROUP_IMAGES,
    }
    with connection.cursor() as cursor:
        cursor.execute(_QUERY.format(near=near), values)
        return cursor.fetchall()


def _group_rows(
    rows: list[tuple[UUID, datetime, UUID | None, bool, bool]],
) -> Iterator[tuple[list[UUID], bool]]:
    for pk, of_one in groupby(rows, key=lambda row: row[0]):
        others = [(other, same, newer) for _, _, other, same, newer in of_one if other is not None]
        if others and not any(newer for _, _, newer in others):
            yield [pk, *(other for other, _, _ in others)], all(same for _, same, _ in others)
