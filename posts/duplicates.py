"""Search for posts that already show a picture: the same file or a similar one (ADR 11)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, F, Q
from django.db.models.expressions import OrderBy

from accounts.models import User
from media.images import Upload, compute_fingerprints
from media.preparation import Fingerprint
from posts.models import Post, PostImage

MAX_PER_PICTURE = 5  # posts
_MAX_IMAGES = 50


@dataclass(frozen=True)
class Duplicate:
    """A post with a picture that is the same file ("exact") or looks the same ("near").

    own: by the member who asks, else by somebody whose post the member may see.
    """

    kind: Literal["exact", "near"]
    post: Post
    image: PostImage
    own: bool


def find_duplicates(
    member: User, uploads: Sequence[Upload], checksums: Sequence[str] = ()
) -> list[list[Duplicate]]:
    """Return, for each upload in order, at most MAX_PER_PICTURE posts: own ones, then exact copies.

    checksums: SHA-256 (hex, or blank) of the original files, where `uploads` are smaller
    renditions. Only posts that the member may see are found. Raises InvalidInput, as
    `services.create_post` does; stores nothing.
    """
    originals = [*checksums, *[""] * len(uploads)]
    fingerprints = compute_fingerprints(uploads, member.pk)
    return [
        _find(member, Fingerprint(checksum or upload.checksum, upload.perceptual_hash))
        for upload, checksum in zip(fingerprints, originals, strict=False)
    ]


def _find(member: User, fingerprint: Fingerprint) -> list[Duplicate]:
    images = (
        PostImage.objects.visible_to(member)
        .near_duplicates(fingerprint.checksum, fingerprint.perceptual_hash)
        .without_vectors()
        .select_related("post__user")
        .order_by(
            _true_first(Q(post__user=member)),
            _true_first(Q(checksum=fingerprint.checksum)),
            F("hash_distance").asc(nulls_last=True),
            "-created_at",
            "pk",
        )
    )
    duplicates: dict[UUID, Duplicate] = {}
    for image in images[:_MAX_IMAGES]:
        kind: Literal["exact", "near"] = "near"
        if image.checksum == fingerprint.checksum:
            kind = "exact"
        own = image.post.user_id == member.pk
        duplicates.setdefault(image.post_id, Duplicate(kind, image.post, image, own))
    return list(duplicates.values())[:MAX_PER_PICTURE]


def _true_first(condition: Q) -> OrderBy:
    return ExpressionWrapper(condition, output_field=BooleanField()).desc()
