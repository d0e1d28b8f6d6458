"""Values that no column can hold, in every view of the admin and on every page: never a 500."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test import Client
from django.urls import URLResolver
from django.utils import timezone

from accounts.models import Category, Follow, User
from posts.models import Comment, Post, PostImage
from search.models import RecallMeasurement
from smimso.urls import page_patterns
from tests.conftest import UNKNOWN_ID
from tests.posts.rows import make_post

pytestmark = pytest.mark.django_db

HUGE = "9" * 5_000
BIG = "9" * 30
IDS = [
    "abc",
    "%00",
    "a%00b",
    "-1",
    BIG,
    "1e5",
    "%FF",
    "%ED%A0%80",
    f"{UNKNOWN_ID}x",
    "{}",
    "%2e%2e",
]
# By part of the query string. A malformed one is refused; an odd one has a sensible meaning.
MALFORMED = [
    *("q=%00", "p=%00", "o=%00", "e=%00", "_to_field=%00", "_popup=%00", "nosuch=%00", "%00=1"),
    *("_changelist_filters=%00", "_facets=%00", "all=%00", "id__exact=%00", "pk=a%00b"),
    *("pk=abc", "id__exact=abc", "pk__in=abc,def", "nosuch__exact=1", "nosuch=1"),
    *("pk__nosuch=1", "_to_field=nosuch", "_to_field=password", "id__year=abc"),
    "user__password__startswith=a",
]
ODD = [
    *("p=abc", "p=-1", f"p={BIG}", f"p={HUGE}", "o=abc", "o=99.-99.x", f"o={BIG}", "o=-", "e=1"),
    *("q=%ff%fe", "q=%ed%a0%80", "q=%F0%9F%98%80", "q=%27%22%5C", f"q={HUGE}", "all=", "_facets=1"),
    *("_popup=1", "id__isnull=abc", "_changelist_filters=%26%3D", "&&==", "q=" + UNKNOWN_ID),
    *(f"pk={BIG}", f"id__exact=-{BIG}", "pk__in=", "_facets=1&q=x"),
]
# For columns that only some models have.
MALFORMED_VALUES = {
    models.DateTimeField: ["__gte=abc", "__year=abc", "__gte=2026-13-45", "__day=%00"],
    models.IntegerField: ["__exact=abc", "__gt=1.5x"],
    models.BooleanField: ["__exact=maybe", "__in=1,maybe"],
    models.ForeignKey: ["__id__exact=abc", "__id__exact=%00"],
    models.CharField: ["__exact=%00", "__regex=(", "__contains=a%00b"],
}
ODD_VALUES = {
    models.DateTimeField: [
        f"__year={BIG}",
        "__year=9999",
        "__year=0",
        "__month=13",
        "__gte=0001-01-01",
    ],
    models.IntegerField: [f"__exact={BIG}", f"__lt=-{BIG}", "__in=1,2,x"],
    models.BooleanField: ["__isnull=1", "__isnull=maybe"],
    models.ForeignKey: [f"__id__exact={UNKNOWN_ID}", f"__id__in={BIG}"],
    models.CharField: [f"__exact={HUGE}", "__exact=%ff", "__in=a,b"],
}


@pytest.fixture
def rows(owner: User, stranger: User) -> dict[type[models.Model], models.Model]:
    """A row of each model that the admin knows."""
    post = make_post(owner)
    measured = RecallMeasurement.objects.create(
        measured_at=timezone.now(), query_kind="text", recall=1.0, queries=1, rows=1, probes=1
    )
    return {
        User: owner,
        Group: Group.objects.create(name="Helpers"),
        Follow: Follow.objects.create(follower=owner, following=stranger),
        Category: Category.objects.first(),
        Post: post,
        PostImage: post.images.get(),
        Comment: Comment.objects.create(user=owner, post=post, content="x"),
        RecallMeasurement: measured,
    }


@pytest.fixture
def staff(client: Client, member: Callable[..., User]) -> Client:
    client.raise_request_exception = False
    client.force_login(member("Admin", is_staff=True, is_superuser=True))
    return client


def url(model: type[models.Model], *parts: object) -> str:
    path = "/".join(str(part) for part in (model._meta.label_lower.replace(".", "/"), *parts))
    return f"/admin/{path}/"


def assert_refused(response: Any, case: object) -> None:
    assert response.status_code in (400, 403, 404), (case, response.status_code)
    assert b"<h1>" in response.content, case


def assert_survives(response: Any, case: object) -> None:
    assert response.status_code < 500, (case, response.status_code)


def filters(model: Any, values: dict[Any, list[str]]) -> Iterator[str]:
    """Yield a query string for one column of each type and each value."""
    for kind, texts in values.items():
        field = next((field for field in model._meta.fields if isinstance(field, kind)), None)
        yield from (f"{field.name}{text}" for text in texts if field)


def test_every_model_of_the_admin_has_a_row(rows: dict[type[models.Model], models.Model]) -> None:
    assert set(admin.site._registry) == set(rows)


def test_lists_refuse_malformed_filters(staff: Client, rows: dict[Any, Any]) -> None:
    for model in rows:
        for query in (*MALFORMED, *filters(model, MALFORMED_VALUES)):
            if query.startswith("user__") and model is not Post:
                continue
            assert_refused(staff.get(f"{url(model)}?{query}"), (model, query))


def test_lists_survive_odd_filters(staff: Client, rows: dict[Any, Any]) -> None:
    for model in (User, Group, PostImage, RecallMeasurement):
        for query in (*ODD, *filters(model, ODD_VALUES)):
            assert_survives(staff.get(f"{url(model)}?{query}"), (model, query))
        assert staff.get(url(model)).status_code == 200


def test_a_list_with_several_pages_refuses_pages_that_do_not_exist(
    staff: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin.site._registry[Post], "list_per_page", 1)
    make_post(owner), make_post(owner)
    for page in ("0", "-1", "99", BIG):
        assert_refused(staff.get(f"/admin/posts/post/?p={page}"), page)
    assert staff.get("/admin/posts/post/?p=2").status_code == 200


def test_a_year_beyond_the_calendar_is_refused(staff: Client, rows: dict[Any, Any]) -> None:
    list_ = url(RecallMeasurement)
    assert staff.get(f"{list_}?measured_at__year=2026&measured_at__month=12").status_code == 200
    for query in (
        *("measured_at__year=abc", f"measured_at__year={BIG}", "measured_at__year=9999"),
        *("measured_at__year=2026&measured_at__month=13", "measured_at__year=%00"),
        "measured_at__year=9999&measured_at__month=12",
    ):
        assert_refused(staff.get(f"{list_}?{query}"), query)


def test_malformed_ids_are_not_found(staff: Client, rows: dict[Any, Any]) -> None:
    for model, view in product(rows, ("change", "delete", "history")):
        for pk in IDS if model in (User, Group) else IDS[:2]:
            assert_refused(staff.get(url(model, pk, view)), (model, pk, view))
        assert staff.post(url(model, "abc", view), {"post": "yes"}).status_code < 500
    for model, row in rows.items():
        assert staff.get(url(model, row.pk, "history")).status_code == 200
    user, content_type = ContentType.objects.get_for_model(User).pk, "admin/r"
    for pk in IDS:
        assert_refused(staff.get(url(User, pk, "password")), pk)
        assert_refused(staff.get(f"/{content_type}/{user}/{pk}/"), pk)
        assert_refused(staff.get(f"/{content_type}/{pk}/{UNKNOWN_ID}/"), pk)


def test_actions_refuse_malformed_ids(staff: Client, rows: dict[Any, Any]) -> None:
    for model in rows:
        names = admin.site._registry[model].get_actions(_request_of(staff))
        for name, pk in product(names, ("abc", "\0", "", "-", HUGE, "{}")):
            form = {"action": name, "_selected_action": [pk], "index": "0"}
            assert_refused(staff.post(url(model), form), (model, name, pk))
        for form in (
            {"action": "nosuch", "_selected_action": UNKNOWN_ID},
            {"action": "delete_selected", "_selected_action": UNKNOWN_ID, "index": BIG},
            {"action": "delete_selected", "_selected_action": UNKNOWN_ID, "select_across": "abc"},
            {"action": ["", "x"], "index": "-5", "_selected_action": UNKNOWN_ID},
        ):
            assert_survives(staff.post(url(model), form), (model, form))
    assert Post.objects.exists()


def _request_of(client: Client) -> Any:
    return client.get("/admin/").wsgi_request


def test_forms_survive_malformed_fields(staff: Client, rows: dict[Any, Any]) -> None:
    for model, row in rows.items():
        names = [field.name for field in (*model._meta.fields, *model._meta.many_to_many)]
        for value in ("\0", "abc", BIG, "x" * 3_000, "9999-99-99"):
            form = dict.fromkeys(names, value)
            for view in ("add", f"{quote(str(row.pk))}/change"):
                response = staff.post(url(model, view), form)
                assert_survives(response, (model, view, value))
                assert value != "\0" or response.status_code in (400, 403)


@pytest.mark.parametrize(
    "management",
    [
        {"TOTAL_FORMS": "abc", "INITIAL_FORMS": "0"},
        {"TOTAL_FORMS": "1000000000", "INITIAL_FORMS": "0"},
        {"TOTAL_FORMS": "1", "INITIAL_FORMS": "1000000000", "0-id": "abc"},
        {"TOTAL_FORMS": "-1", "INITIAL_FORMS": "-1"},
        {"TOTAL_FORMS": BIG, "INITIAL_FORMS": BIG},
        {"TOTAL_FORMS": "1", "INITIAL_FORMS": "1", "0-id": "\0"},
        {},
    ],
)
def test_altered_formsets_change_nothing_else(
    staff: Client, rows: dict[Any, Any], management: dict[str, str]
) -> None:
    post = rows[Post]
    form = {f"images-{name}": value for name, value in management.items()}
    response = staff.post(
        url(Post, post.pk, "change"), {"title": "New", "visibility": "public", **form}
    )
    assert_survives(response, management)
    assert PostImage.objects.filter(post=post).count() == 1


def test_the_suggestions_of_the_admin_refuse_malformed_terms(staff: Client, owner: User) -> None:
    field = {"app_label": "accounts", "model_name": "follow", "field_name": "follower"}
    path = "/admin/autocomplete/"
    assert staff.get(path, {**field, "term": "own"}).json()["results"]
    for change in (
        *({"term": "\0"}, {"term": "a\0b"}, {"page": "abc"}, {"page": BIG}, {"page": "-1"}),
        *({"app_label": "\0"}, {"model_name": "nosuch"}, {"field_name": "id"}),
        *({"app_label": "x.y.z"}, {"field_name": "password"}),
    ):
        assert_refused(staff.get(path, {"term": "own", **field, **change}), change)
    assert_refused(staff.get(path), "nothing")


@pytest.mark.parametrize(
    "query",
    ["follower=abc", "follower=%00", f"follower={BIG}", "_to_field=x", "_popup=%00", "follower="],
)
def test_preset_fields_of_a_form_may_be_malformed(staff: Client, query: str) -> None:
    assert_survives(staff.get(f"/admin/accounts/follow/add/?{query}"), query)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/admin/ai/retry", {"reason": "\0"}),
        ("/admin/ai/retry", {"reason": HUGE}),
        ("/admin/ai/model", {"action": "\0", "model": "x"}),
        ("/admin/ai/model", {"action": "start", "model": "nosuch"}),
        ("/admin/password_change/", {"old_password": "\0"}),
        ("/admin/login/?next=%00", {"username": "\0", "password": "\0"}),
        ("/admin/logout/?next=%00", {}),
        ("/admin/accounts/follow/add/", {"_popup": "1", "_to_field": "nosuch", "follower": "x"}),
        (
            "/admin/accounts/category/add/?_popup=1",
            {"_source_model": "abc", "name": "a", "slug": "a"},
        ),
        ("/admin/jsi18n/?\0", {}),
        ("/admin/posts/postimage/duplicates/?after=%00", {}),
        ("/admin/nosuch/%00/", {}),
    ],
)
def test_other_views_of_the_admin_survive(staff: Client, path: str, form: dict[str, str]) -> None:
    assert_survives(staff.get(path), path)
    assert_survives(staff.post(path, form), path)


def test_a_refusal_is_a_page_and_the_history_is_untouched(staff: Client, owner: User) -> None:
    response = staff.get("/admin/posts/postimage/?ai_status__exact=%00")
    assert response.status_code == 400
    assert "This request is not valid" in response.text
    assert not LogEntry.objects.filter(action_flag=CHANGE).exists()
    visitor = Client(headers={"accept": "text/html"})
    assert visitor.get("/admin/posts/postimage/?ai_status__exact=%00").status_code == 302


# --- Pages ------------------------------------------------------------------------------------

VALUES = ["\0", "a\0b", BIG]
NAMES = [
    *("q", "page", "before", "after", "category", "post", "author", "tags", "since", "until"),
    *("visibility", "followed", "color", "orientation", "sort", "negative", "cursor", "limit"),
    *("reply", "known", "next", "language", "on", "content", "parent_comment_id", "request_key"),
    *("email", "email_or_phone", "password", "password_again", "first_name", "last_name", "phone"),
    *("title", "description", "category_id", "user_captions", "anyway", "bio", "job", "token"),
    *("date_of_birth", "new_password1", "new_password2", "forgotten", "reason", "timezone"),
]


def page_routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from page_routes(pattern.url_patterns, route)
        else:
            yield route


def test_pages_survive_malformed_values(client: Client, owner: User, stranger: User) -> None:
    post = make_post(owner)
    comment = Comment.objects.create(user=owner, post=post, content="x")
    known = {
        "post_id": post.pk,
        "comment_id": comment.pk,
        "member_id": stranger.pk,
        "kind": "comments",
    }
    client.raise_request_exception = False
    for route in page_routes(page_patterns):
        path = _fill(f"/{route}", known)
        for value in VALUES:
            client.force_login(owner)
            fields = dict.fromkeys(NAMES, value)
            assert_survives(client.get(path, fields), (path, value))
            assert_survives(client.post(path, fields), (path, value))
    assert User.objects.filter(pk=owner.pk).exists()


def _fill(path: str, known: dict[str, object]) -> str:
    """Replace `<converter:name>` in a route by a value."""
    parts = path.split("<")
    filled = parts[0]
    for part in parts[1:]:
        inside, _, rest = part.partition(">")
        filled += f"{known.get(inside.rpartition(':')[2], UNKNOWN_ID)}{rest}"
    return filled


@pytest.mark.parametrize(
    "value", ["%00", "a%00b", BIG, "%FF", "%ED%A0%80", "%F0%9F%98%80", "..%2F"]
)
def test_malformed_parts_of_paths_are_not_found(client: Client, owner: User, value: str) -> None:
    client.raise_request_exception = False
    client.force_login(owner)
    for path in (
        *(
            "post/{}",
            "post/{}/comments",
            "members/{}",
            "inbox/{}",
            "uploads/{}",
            "uploads/posts/{}",
        ),
        *("password/reset/{}/{}", "activity/{}", "static/{}", "{}", "api/{}", "api/posts/{}"),
        *("api/users/{}", "api/users/{}/posts", "api/posts/user/{}", "api/notifications/{}/read"),
        *("api/users/profile/files/{}", "api/posts/{}/images/{}", "api/posts/{}/comments/{}"),
    ):
        filled = f"/{path}".replace("{}", value)
        for method in ("get", "post", "delete"):
            assert_survives(getattr(client, method)(filled), (method, filled))


COOKIES = ["\0" * 8, r'"\000aaaaaaaa"', "a" * 10_000, "é" * 40, '"', "=;=", "\x01\x02" * 20]


@pytest.mark.parametrize("cookie", COOKIES)
@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "django_language", "messages", "x"])
def test_malformed_cookies_are_refused_or_ignored(name: str, cookie: str, owner: User) -> None:
    client = Client(raise_request_exception=False, headers={"accept": "text/html"})
    for path in ("/", "/liked", "/login", "/admin/", "/api/posts"):
        response = client.get(path, headers={"cookie": f"{name}={cookie}"})
        assert_survives(response, (path, name, cookie))


HEADERS = ["\0", "\xff\xfe", HUGE, "a, b; q=x", "-1", "bytes=9-1,-", "Thu, 99 Foo 99999"]


@pytest.mark.parametrize("value", HEADERS)
def test_malformed_headers_are_ignored(value: str, owner: User) -> None:
    client = Client(raise_request_exception=False)
    names = [
        *("Accept", "Accept-Language", "Accept-Encoding", "If-Modified-Since", "If-None-Match"),
        *("Range", "Referer", "Origin", "X-Forwarded-For", "Idempotency-Key", "Authorization"),
        *("HX-Request", "HX-Current-URL", "HX-Target", "X-CSRFToken", "Content-Type"),
    ]
    for name, path in product(names, ("/", "/search", "/api/posts", "/admin/")):
        assert_survives(client.get(path, headers={name: value}), (name, path))
