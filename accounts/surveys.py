"""The survey of new members; a second answer replaces the first."""

from uuid import UUID

from django.utils import timezone

from accounts.models import Category, Survey, User
from smimso.errors import InvalidInput


def submit_survey(
    *,
    user: User,
    favorite_categories: list[UUID],
    usage_purposes: list[str],
    awareness_source: str,
    expectation_level: int | None = None,
) -> Survey:
    """Store a member's answers. Raises InvalidInput for a category that does not exist."""
    category_ids = list(dict.fromkeys(favorite_categories))
    if Category.objects.filter(pk__in=category_ids).count() != len(category_ids):
        raise InvalidInput("survey_category_not_found")
    survey, _ = Survey.objects.update_or_create(
        user=user,
        defaults={
            "favorite_categories": [str(category_id) for category_id in category_ids],
            "usage_purposes": list(dict.fromkeys(usage_purposes)),
            "awareness_source": awareness_source,
            "expectation_level": expectation_level,
            "completed_at": timezone.now(),
        },
    )
    return survey


def survey_of(user: User) -> Survey | None:
    return Survey.objects.filter(user=user).first()
