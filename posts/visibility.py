"""The rule of who may see a post, as a condition on querysets."""

from functools import reduce
from operator import or_

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import F, Func, Q

from accounts.models import Follow, User
from accounts.viewer import Viewer


class Visibility(models.TextChoices):
    PUBLIC = "public"
    FRIENDS = "friends"  # members who follow the author and whom the author follows
    PRIVATE = "private"


def visible_posts(viewer: Viewer, prefix: str = "") -> Q:
    """Return the rule as a condition on posts, or on rows that reach a post by `prefix`.

    Posts of deactivated members are visible to their authors only.
    """
    return reduce(or_, visible_parts(viewer, prefix))


def visible_parts(viewer: Viewer, prefix: str = "") -> list[Q]:
    """Return the rule in disjoint parts: public posts, and for members their own and friends'."""
    author = F(f"{prefix}user_id")
    inactive = User.objects.filter(is_active=False)
    active = ~Q(_AnyOf(author, ArraySubquery(inactive.values("pk"))))
    public = Q(**{f"{prefix}visibility": Visibility.PUBLIC})
    if viewer is None or not viewer.is_authenticated:
        return [public & active]
    own = Q(**{f"{prefix}user_id": viewer.pk})
    friends = Follow.objects.filter(follower=viewer, following__following_set__following=viewer)
    by_friends = Q(_AnyOf(author, ArraySubquery(friends.values("following_id"))))
    of_friends = Q(**{f"{prefix}visibility": Visibility.FRIENDS}) & by_friends
    return [public & active, own & ~(public & active), of_friends & active & ~own]


class _AnyOf(Func):
    """`value = ANY (array)`, where the array is computed once per query.

    In a rule with OR, PostgreSQL would compute `value IN (SELECT …)` again for each joined row.
    """

    template = "%(expressions)s)"
    arg_joiner = " = ANY ("
    output_field = models.BooleanField()
