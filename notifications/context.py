"""What every page knows about notifications."""

from functools import cache, partial
from typing import Any

from django.http import HttpRequest

from notifications.services import unread_count


def unread(request: HttpRequest) -> dict[str, Any]:
    """Counted only where a template asks, and once."""
    return {"unread_notifications": cache(partial(unread_count, request.user))}
