"""A request to post that is sent again, because no answer came in time, makes no second post.

With a key (the header `Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header) the same
request is known for a day. Without one, the same words and pictures by the same author are taken
for a retry for settings.POST_RETRY_SECONDS. A deliberate repost has another key, another word, or
comes later; and what the author deleted is posted anew.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from posts.models import Post

KEY_LIFETIME = timedelta(days=1)


def compute_digest(words: Mapping[str, Any], checksums: Iterable[str], key: str) -> str:
    """SHA-256 (hex) of what was sent: key, words, and pictures in their order."""
    sent = [key, sorted(words.items()), list(checksums)]
    return hashlib.sha256(json.dumps(sent, default=str).encode()).hexdigest()


def find_previous(author: Any, request_digest: str, *, keyed: bool) -> Post | None:
    """The post that the same request made before."""
    lifetime = KEY_LIFETIME if keyed else timedelta(seconds=settings.POST_RETRY_SECONDS)
    recent = Post.objects.filter(user=author, created_at__gt=timezone.now() - lifetime)
    return recent.filter(request_digest=request_digest).order_by("created_at").first()
