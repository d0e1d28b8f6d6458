"""Groups of images that duplicate each other, for the admin.

Nothing is stored. A page reads the newest images in batches and looks up the duplicates of each in
the indexes. A group is listed at the position of its newest image.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection

from posts.keyset import Cursor
from posts.models import PostImage
from posts.phash import BAND_MASKS, BAND_SHIFTS, MAX_HASH_DISTANCE

GROUPS_PER_PAGE = 20  # a page may exceed it by the rest of a batch
BATCH_SIZE, MAX_BATCHES = 100, 10  # images that a page looks at
MAX_GROUP_IMAGES = 30  # shown in addition to the newest one

# An image, its time and one duplicate; whether they are the same file; whether that is newer.
_Row = tuple[UUID, datetime, UUID | None, bool, bool]


@dataclass(frozen=True)
class DuplicateGroup:
    """Images of one group, the newest first. exact: all are the same file."""

    images: list[PostImage]
    exact: bool


_SIMILAR = """
    SELECT id, checksum, created_at FROM post_images
    WHERE ((perceptual_hash >> {shift}) & 65535) IN (
        SELECT ((candidate.perceptual_hash >> {shift}) & 65535) # mask
        FROM unnest(%(masks)s::bigint[]) AS mask
    ) AND bit_count((perceptual_hash # candidate.perceptual_hash)::bit(64)) <= %(bits)s
"""
_QUERY = """
    WITH candidate AS MATERIALIZED (
        SELECT id, checksum, perceptual_hash, created_at FROM post_images
        WHERE %(pk)s::uuid IS NULL OR (created_at, id) < (%(created_at)s, %(pk)s)
        ORDER BY created_at DESC, id DESC LIMIT %(batch)s
    )
    SELECT candidate.id, candidate.created_at, other.id,
        other.checksum = candidate.checksum AND other.checksum <> '',
        (other.created_at, other.id) > (candidate.created_at, candidate.id)
    FROM candidate LEFT JOIN LATERAL (
        SELECT * FROM (
            SELECT id, checksum, created_at FROM post_images
            WHERE checksum = candidate.checksum AND checksum <> ''
            UNION
            {similar}
        ) AS duplicate WHERE duplicate.id <> candidate.id
        ORDER BY duplicate.created_at DESC, duplicate.id DESC LIMIT %(limit)s
    ) AS other ON true
    ORDER BY candidate.created_at DESC, candidate.id DESC
"""


def find_duplicate_groups(
    after: Cursor | None = None,
) -> tuple[list[DuplicateGroup], Cursor | None]:
    """Return the groups after a cursor, and the cursor of the next page (None at the end).

    A page looks at BATCH_SIZE * MAX_BATCHES images at most, so it can be empty without being the
    last one.
    """
    groups: list[tuple[list[UUID], bool]] = []
    for _ in range(MAX_BATCHES):
        rows = _fetch_rows(after)
        groups += _group_rows(rows)
        after = Cursor(rows[-1][1], rows[-1][0]) if rows else None
        if after is None or len(groups) >= GROUPS_PER_PAGE:
            break
    images = PostImage.objects.without_vectors().select_related("post__user")
    images_by_id = images.in_bulk([pk for pks, _ in groups for pk in pks])
    return [
        DuplicateGroup([images_by_id[pk] for pk in pks if pk in images_by_id], exact)
        for pks, exact in groups
    ], after


def _fetch_rows(after: Cursor | None) -> list[_Row]:
    similar = " UNION ".join(_SIMILAR.format(shift=shift) for shift in BAND_SHIFTS)
    parameters: dict[str, Any] = {
        "masks": list(BAND_MASKS),
        "bits": MAX_HASH_DISTANCE,
        "created_at": after.created_at if after else None,
        "pk": after.pk if after else None,
        "batch": BATCH_SIZE,
        "limit": MAX_GROUP_IMAGES,
    }
    with connection.cursor() as cursor:
        cursor.execute(_QUERY.format(similar=similar), parameters)
        return cursor.fetchall()


def _group_rows(rows: list[_Row]) -> Iterator[tuple[list[UUID], bool]]:
    """Yield the ids of each group whose newest image is in `rows`, and if all are the same file."""
    for pk, rows_of_image in groupby(rows, key=lambda row: row[0]):
        others = [
            (other, same_file, newer)
            for _, _, other, same_file, newer in rows_of_image
            if other is not None
        ]
        if others and not any(newer for _, _, newer in others):
            yield [pk, *(other for other, _, _ in others)], all(same for _, same, _ in others)
