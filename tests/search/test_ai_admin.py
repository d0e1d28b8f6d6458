"""Search sections of `/admin/ai/`: the current model, and changing it."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from ai import vector_space
from ai.models import Column, State, VectorSpace
from ai.presets import PRESETS
from search.models import QueryKind, RecallMeasurement
from search.reembedding import services as reembedding

pytestmark = pytest.mark.django_db
PAGE, CHANGE = "/admin/ai/", "/admin/ai/model"


@pytest.fixture
def admin(client: Client, member: Callable[..., User]) -> User:
    user = member("Admin", is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


def secondary() -> VectorSpace | None:
    return VectorSpace.objects.filter(column=Column.SECONDARY).first()


def test_a_change_begins_is_shown_and_cancelled(client: Client, admin: User) -> None:
    assert vector_space.active_space().name == PRESETS["demo"].name
    page = client.get(PAGE).text
    assert 'value="openai"' in page
    assert 'value="demo"' not in page  # the current model
    client.post(CHANGE, {"action": "start", "model": "openai"})
    row = secondary()
    assert row is not None
    assert (row.name, row.state) == (PRESETS["openai"].name, State.BACKFILLING)
    page = client.get(PAGE).text
    assert PRESETS["openai"].name in page
    assert 'value="cancel"' in page
    assert 'value="start"' not in page
    client.post(CHANGE, {"action": "cancel"})
    row.refresh_from_db()
    assert row.state == State.PURGING


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"action": "start"},
        {"action": "start", "model": "nonsense"},
        {"action": "start", "model": "demo"},
        {"action": "nonsense"},
        {"action": "cancel"},
        {"action": "roll_back"},
        {"action": "finish"},
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    form: dict[str, str], client: Client, admin: User
) -> None:
    page = client.post(CHANGE, form, follow=True).text
    assert 'class="error"' in page
    assert secondary() is None


@pytest.mark.parametrize(
    ("state", "form", "words"),
    [
        (None, {"action": "start", "model": "demo"}, "rồi"),
        (None, {"action": "cancel"}, "Không có việc đổi mô hình"),
        (None, {"action": "roll_back"}, "Không có mô hình cũ"),
        (None, {"action": "finish"}, "Không có vectơ nào của mô hình cũ"),
        (State.RETAINED, {"action": "start", "model": "openai"}, "kết thúc việc đó"),
        (State.RETAINED, {"action": "start", "model": "openai"}, "mô hình cũ, vẫn được cập nhật"),
        (State.PURGING, {"action": "start", "model": "openai"}, "đang được xóa"),
    ],
)
def test_what_cannot_be_done_is_said_in_the_readers_language(
    state: State | None, form: dict[str, str], words: str, client: Client, admin: User
) -> None:
    vector_space.lock_columns(vector_space.active_space().name)
    if state:
        VectorSpace.objects.create(column=Column.SECONDARY, name="former/model", state=state)
    page = client.post(CHANGE, form, follow=True, headers={"Accept-Language": "vi"})
    (message,) = page.context["messages"]
    assert words in str(message)


def test_the_admin_translates_what_the_change_waits_for(client: Client, admin: User) -> None:
    reembedding.start("openai")
    reembedding.advance()
    vietnamese = {"Accept-Language": "vi"}
    page = client.get(PAGE, headers=vietnamese).text
    assert "không có tiến trình nào đang chạy xử lý truy vấn" in page
    VectorSpace.objects.filter(column=Column.SECONDARY).update(
        note="a worker has not loaded it yet: w: no room"
    )
    assert "chưa nạp mô hình này: w: no room" in client.get(PAGE, headers=vietnamese).text


def test_a_retained_model_can_be_rolled_back_to(client: Client, admin: User) -> None:
    vector_space.lock_columns(vector_space.active_space().name)
    VectorSpace.objects.create(
        column=Column.SECONDARY, name="former/model", model="former", state=State.RETAINED
    )
    page = client.get(PAGE).text
    assert 'value="roll_back"' in page
    assert 'value="finish"' in page


def test_only_who_may_change_the_model_does(client: Client, member: Callable[..., User]) -> None:
    helper = member("Helper", is_staff=True)
    helper.user_permissions.add(Permission.objects.get(codename="view_postimage"))
    client.force_login(helper)
    assert CHANGE not in client.get(PAGE).text
    assert client.post(CHANGE, {"action": "start", "model": "openai"}).status_code == 403
    assert client.get(CHANGE).status_code == 405
    assert secondary() is None


def test_the_latest_recall_of_each_kind_is_shown(client: Client, admin: User) -> None:
    for recall in (0.1234, 0.987):
        RecallMeasurement.objects.create(
            query_kind=QueryKind.TEXT,
            queries=30,
            recall=recall,
            rows=5,
            index_kind="hnsw",
            probes=9,
        )
    page = client.get(PAGE).text
    assert ">0.987<" in page
    assert ">0.123<" not in page
