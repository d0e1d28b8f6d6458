"""Pictures that were posted before: the same file, or one that looks the same (ADR 11)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import BooleanField, ExpressionWrapper, F, Q
from django.db.models.expressions import OrderBy

from media.images import Fingerprint, Upload, compute_fingerprints
from posts.models import Post, PostImage

MatchKind = Literal["exact", "near"]

MAX_PER_PICTURE = 5  # posts for each picture
_MAX_IMAGES = 50


@dataclass(frozen=True)
class Duplicate:
    """A post with a picture that is the same file or looks the same.

    own: the asking member's post, else one that the member may see.
    """

    kind: MatchKind
    post: Post
    image: PostImage
    own: bool


def find_duplicates(
    member: Any, uploads: Sequence[Upload], checksums: Sequence[str] = ()
) -> list[list[Duplicate]]:
    """For each upload, in order: at most MOST_FOUND posts, own ones first, then exact copies.

    checksums: of the files that the uploads are small renditions of. What the member may not see
    is as if it were not there. Raises InvalidInput as posting would; nothing is stored.
    """
    seen = compute_fingerprints(uploads)
    claimed = [*checksums, *[""] * len(seen)]
    return [
        _duplicates(member, Fingerprint(claimed[n] or each.checksum, each.perceptual_hash))
        for n, each in enumerate(seen)
    ]


def _duplicates(member: Any, wanted: Fingerprint) -> list[Duplicate]:
    images = (
        PostImage.objects.visible_to(member)
        .near_duplicates(wanted.checksum, wanted.perceptual_hash)
        .without_vectors()
        .select_related("post__user")
        .order_by(
            _first(Q(post__user=member)),
            _first(Q(checksum=wanted.checksum)),
            F("hash_distance").asc(nulls_last=True),
            "-created_at",
            "pk",
        )
    )
    found: dict[Any, Duplicate] = {}
    for image in images[:_MAX_IMAGES]:
        kind: MatchKind = "exact" if image.checksum == wanted.checksum else "near"
        own = image.post.user_id == member.pk
        found.setdefault(image.post_id, Duplicate(kind, image.post, image, own))
    return list(found.values())[:MAX_PER_PICTURE]


def _first(condition: Q) -> OrderBy:
    return ExpressionWrapper(condition, output_field=BooleanField()).desc()
