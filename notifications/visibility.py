"""Which notifications a recipient may still see.

Who may see a post is known above, in posts: that app registers its rule here when it is ready.
"""

from collections.abc import Callable
from uuid import UUID

from django.db.models import Q

Rule = Callable[[UUID], Q]
_rules: list[Rule] = []


def register(rule: Rule) -> None:
    """`rule`: from a recipient's id to a condition on notifications."""
    _rules.append(rule)


def visible_notifications(user_id: UUID) -> Q:
    condition = Q(user_id=user_id)
    for rule in _rules:
        condition &= rule(user_id)
    return condition
