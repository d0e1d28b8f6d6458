"""Detection of repeated requests to create a post, so that a retry creates no second post.

With an idempotency key (the header `Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header),
a request is recognized for a day. Without a key, the same text and pictures by the same author
count as a retry for settings.POST_RETRY_SECONDS. A deliberate repost has another key or text, or
comes later. A deleted post is created again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from posts.models import Post

KEY_LIFETIME = timedelta(days=1)


def compute_digest(fields: Mapping[str, object], checksums: Iterable[str], key: str) -> str:
    """Return the SHA-256 (hex) of a request: its key, its fields and its pictures in order."""
    content = [key, sorted(fields.items()), list(checksums)]
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()


def find_previous(author: User, request_digest: str, *, keyed: bool) -> Post | None:
    """Return the post that an earlier request with this digest created."""
    lifetime = KEY_LIFETIME if keyed else timedelta(seconds=settings.POST_RETRY_SECONDS)
    recent = Post.objects.filter(user=author, created_at__gt=timezone.now() - lifetime)
    return recent.filter(request_digest=request_digest).order_by("created_at").first()
