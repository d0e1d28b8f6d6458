"""Detection of repeated requests to post or to comment, so that a retry creates no second row.

With an idempotency key (the header `Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header),
a request is recognized for a day. Without a key, the same content by the same author counts as a
retry for some seconds. A deliberate repetition has another key or content, or comes later. What was
deleted is created again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TypeVar

from django.db.models import QuerySet
from django.utils import timezone

from posts.models import Comment, Post

KEY_LIFETIME = timedelta(days=1)

Row = TypeVar("Row", Post, Comment)


def compute_digest(fields: Mapping[str, object], *, key: str, checksums: Iterable[str] = ()) -> str:
    """Return the SHA-256 (hex) of a request: its key, its fields and its pictures in order."""
    content = [key, sorted(fields.items()), list(checksums)]
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()


def find_previous(
    rows: QuerySet[Row], request_digest: str, *, key: str, seconds: float
) -> Row | None:
    """Return the first of the author's `rows` that an earlier request with this digest created.

    seconds: how long a request without a key counts as a retry.
    """
    lifetime = KEY_LIFETIME if key else timedelta(seconds=seconds)
    recent = rows.filter(created_at__gt=timezone.now() - lifetime)
    return recent.filter(request_digest=request_digest).order_by("created_at").first()
