"""Conditions under which recipients may still see their notifications.

Only posts knows who may see a post, and notifications cannot import it. So posts registers its
rule here when the app is ready.
"""

from collections.abc import Callable
from uuid import UUID

from django.db.models import Q

Rule = Callable[[UUID], Q]
_rules: list[Rule] = []


def register(rule: Rule) -> None:
    """Add a function that maps a recipient's id to a condition on notifications."""
    _rules.append(rule)


def visible_notifications(user_id: UUID) -> Q:
    """Return the condition for the notifications that a member may see."""
    condition = Q(user_id=user_id)
    for rule in _rules:
        condition &= rule(user_id)
    return condition
