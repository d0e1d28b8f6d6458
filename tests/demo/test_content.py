"""The demo has the same members and posts every time, and no duplicates."""

import io
from collections import Counter

import pytest
from django.core.management import call_command

from accounts.models import Follow, User
from demo.content import MEMBERS, create_members, plan_posts
from posts.models import Post, PostImage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queues")]


def test_the_plan_is_the_same_every_time_and_grows_at_its_end() -> None:
    plan = plan_posts(30)
    assert plan_posts(30) == plan
    assert [planned.author for planned in plan_posts(12)] == [p.author for p in plan[:12]]


def test_the_plan_covers_visibilities_members_albums_and_descriptions() -> None:
    plan = plan_posts(72)
    visible = Counter(planned.visibility for planned in plan)
    assert visible.keys() == {"public", "friends", "private"}
    assert visible["public"] > 45
    assert {planned.author for planned in plan} == set(MEMBERS)
    assert {len(planned.scenes) for planned in plan} == {1, 3}
    assert {planned.has_description for planned in plan} == {True, False}


def test_members_are_created_once_and_are_friends_of_the_next() -> None:
    first = create_members()
    again = create_members()
    assert first == again
    assert User.objects.count() == len(MEMBERS) + 1
    assert Follow.objects.count() == 2 * (len(MEMBERS) - 1)
    assert User.objects.get(is_superuser=True).email == "admin@demo.smimso.test"
    assert all(member.check_password("smimso-demo") for member in first.values())


def test_seeding_again_adds_only_missing_posts() -> None:
    seed(2)
    before = set(Post.objects.values_list("pk", flat=True))
    assert len(before) == 2
    seed(2)
    assert set(Post.objects.values_list("pk", flat=True)) == before
    seed(3)
    posts = list(Post.objects.order_by("created_at"))
    assert len(posts) == 3
    assert {post.pk for post in posts[:2]} == before
    assert [post.user.email.split("@")[0] for post in posts] == ["linh", "minh", "thao"]
    assert [bool(post.description) for post in posts] == [True, False, False]
    assert set(PostImage.objects.values_list("width", flat=True)) == {1200}


def test_printing_the_accounts_creates_none() -> None:
    text = seed(5, accounts=True)
    assert "linh@demo.smimso.test" in text
    assert "smimso-demo" in text
    assert not User.objects.exists()


def seed(posts: int, *, accounts: bool = False) -> str:
    out = io.StringIO()
    call_command("seed_demo", posts=posts, accounts=accounts, stdout=out)
    return out.getvalue()
