"""Template context of every page: the number of unread notifications."""

from collections.abc import Callable
from functools import cache

from django.http import HttpRequest

from notifications.services import unread_count


def unread(request: HttpRequest) -> dict[str, Callable[[], int]]:
    """Return a function that counts when a template first asks, and never twice."""

    @cache
    def count() -> int:
        user_id = request.user.pk
        return unread_count(user_id) if user_id else 0

    return {"unread_notifications": count}
