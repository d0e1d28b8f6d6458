"""The filter `ago`, in both languages."""

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from smimso.templatetags.moments import ago


@pytest.mark.parametrize(
    ("age", "english", "vietnamese"),
    [
        (timedelta(seconds=-5), "just now", "vừa xong"),
        (timedelta(seconds=59), "just now", "vừa xong"),
        (timedelta(minutes=5, seconds=30), "5 minutes ago", "5 phút trước"),
        (timedelta(hours=1, minutes=50), "1 hour ago", "1 giờ trước"),
        (timedelta(days=3), "3 days ago", "3 ngày trước"),
        (timedelta(days=15), "2 weeks ago", "2 tuần trước"),
    ],
)
def test_ages_are_shown_in_one_unit(age: timedelta, english: str, vietnamese: str) -> None:
    moment = timezone.now() - age
    for language, text in (("en", english), ("vi", vietnamese)):
        with translation.override(language):
            assert ago(moment).replace("\xa0", " ") == text
