"""Fixtures of all tests: PostgreSQL, Redis, workers, and members in fixed roles."""

import gc
import importlib
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import Client
from django.utils import translation
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import Follow, User
from ai import vector_space
from ai.heartbeat import live_workers
from ai.model_ids import clip_name
from search.reembedding import progress
from search.score_calibration import clear_samples
from smimso import queues
from smimso.celery import app as celery_app
from smimso.local import servers as local_servers
from smimso.local.processes import postgres
from smimso.local.processes import redis as redis_server
from smimso.local.supervisor import Program
from smimso.web.auth import issue_token
from tests import properties  # noqa: F401 - loads the profile of Hypothesis

PASSWORD = "correct horse"
UNKNOWN_ID = "6f9d4c1e-0000-4000-8000-000000000000"  # fixed: both lanes collect the same names
WORKER = "test@smimso"
SERVED_QUEUES = (
    queues.INTERACTIVE,
    *queues.BULK,
    queues.MAINTENANCE,
)  # `text` comes with the first


# --- Lanes ----------------------------------------------------------------------------------

# Session fixtures that take seconds or minutes to start, the slowest first. All tests that need
# one of them run in the same lane of pytest-xdist and count as slow.
SHARED_PROGRAMS = ("site", "worker_process")
shared_programs = ExitStack()  # closed when a lane goes on to tests that do not need them
ALL_ARE_SLOW = re.compile(r"^pytestmark = (?:\[[^\]]*?)?pytest\.mark\.slow", re.MULTILINE)


def pytest_configure(config: pytest.Config) -> None:
    if getattr(config.option, "numprocesses", None):
        # Before the lanes start: two of them would try to create the same account.
        local_servers.ensure_server_account()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """In a run without slow tests, do not import files that hold nothing else: torch is large."""
    if config.option.markexpr == "not slow" and collection_path.suffix == ".py":
        return True if ALL_ARE_SLOW.search(collection_path.read_text()) else None
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Run what shares a program or a file in one lane, and begin with what takes longest."""
    for item in items:
        fixtures: list[str] = getattr(item, "fixturenames", [])
        program = next((name for name in SHARED_PROGRAMS if name in fixtures), None)
        if program:
            item.add_marker(pytest.mark.slow)
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(program or item.location[0]))
    yield
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)
        if items and not items[0].nodeid.endswith(f"@{_group(items[0])}"):
            raise pytest.UsageError("This pytest-xdist cannot group tests in this pytest.")
    gc.collect()
    gc.freeze()  # modules stay to the end; looking through them again and again takes a tenth


def _group(item: pytest.Item) -> str:
    group: str = next(item.iter_markers("xdist_group")).args[0]
    return group


def _rank(item: pytest.Item) -> tuple[int, bool]:
    group = _group(item)
    shared = SHARED_PROGRAMS.index(group) if group in SHARED_PROGRAMS else len(SHARED_PROGRAMS)
    return shared, item.get_closest_marker("slow") is None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Stop a worker before other tests of the lane write into its queues."""
    yield
    is_last = nextitem is None or _group(nextitem) != _group(item)
    if hasattr(item.config, "workerinput") and is_last and _group(item) in SHARED_PROGRAMS:
        shared_programs.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Drop pytest-xdist's suffix: the name that is printed can be given to pytest again."""
    if hasattr(report, "node") and report.nodeid.rfind("@") > report.nodeid.rfind("]"):
        report.nodeid = report.nodeid.rpartition("@")[0]


# --- Servers --------------------------------------------------------------------------------


@contextmanager
def running(program: Program, logs: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (logs / f"{program.name}.log").open("ab") as log:
        process = subprocess.Popen(
            program.child_command(), env=program.environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.send_signal(program.stop_signal)
            try:
                process.wait(program.stop_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(
    answers: Callable[[], Any], process: subprocess.Popen[bytes], *, seconds: float
) -> None:
    deadline = time.monotonic() + seconds
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            logs = [path.read_text(errors="replace") for path in settings.DATA_DIR.glob("*.log")]
            pytest.exit("A program that the tests need did not start:\n" + "\n".join(logs))
        time.sleep(0.05)


@pytest.fixture(scope="session")
def servers() -> Iterator[Path]:
    """Run PostgreSQL and Redis; return the directory of their data and of the uploads."""
    data_dir = settings.DATA_DIR
    account = local_servers.ensure_server_account()
    local_servers.prepare_directories(data_dir, account)
    local_servers.init_postgres(data_dir, account, durable=False)
    with (
        running(postgres(data_dir, account, durable=False), data_dir) as database,
        running(redis_server(data_dir, account, durable=False), data_dir) as queue,
    ):
        wait_until(_database_answers, database, seconds=300)
        wait_until(_redis_answers, queue, seconds=300)
        yield data_dir


def _database_answers() -> bool:
    try:
        psycopg.connect(local_servers.database_url(settings.DATA_DIR, "postgres")).close()
    except psycopg.OperationalError:
        return False
    return True


def _redis_answers() -> bool:
    try:
        return bool(_redis().ping())
    except redis.RedisError:
        return False


def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: Path) -> None:
    """Start the servers: pytest-django requests this before it opens a connection."""


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Do not drop the database: the whole cluster is deleted at the end."""
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """Restore the categories of the migration after a transactional test emptied the tables."""
    migration = importlib.import_module("accounts.migrations.0002_seed_categories")

    def bring_back(**_: Any) -> None:
        if not apps.get_model("accounts", "Category").objects.exists():
            migration.seed(apps, None)

    post_migrate.connect(bring_back, weak=False, sender=apps.get_app_config("accounts"))


@pytest.fixture(autouse=True)
def _english() -> None:
    """Undo the language that a page of an earlier test activated in this thread."""
    translation.activate("en")


@pytest.fixture(autouse=True)
def _clean_cache(request: pytest.FixtureRequest) -> None:
    if "servers" in request.fixturenames or request.node.get_closest_marker("django_db"):
        request.getfixturevalue("servers")
        cache.clear()
        vector_space.reset_cache()
        clear_samples()
        progress.reset_cache()


# --- Queues ---------------------------------------------------------------------------------


@pytest.fixture
def broker_at(settings: Any) -> Iterator[Callable[[str], None]]:
    """`broker_at(url)`: point queues and clients to the Redis at that URL during the test."""
    usual = settings.REDIS_URL

    def point(url: str) -> None:
        settings.REDIS_URL = url
        settings.CELERY_BROKER_URL = local_servers.kombu_url(url)
        celery_app.amqp._producer_pool = None
        celery_app._pool = None

    yield point
    point(usual)


@pytest.fixture
def redis_away(broker_at: Callable[[str], None], settings: Any, tmp_path: Path) -> None:
    """Nothing listens where Redis should be: no queues, no cache, no clients."""
    url = f"unix://{tmp_path}/nobody.sock?db=0"
    broker_at(url)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": url}}


# --- Workers --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def worker_process(servers: Path, django_db_setup: None) -> Iterator[None]:
    """One Celery worker on every queue, with the demo models, on the test database."""
    words = ["worker", "--hostname", WORKER, "--queues", ",".join(SERVED_QUEUES), "--pool", "solo"]
    words += ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    program = Program(
        name="worker",
        command=[sys.executable, "-m", "celery", "-A", "smimso", *words],
        environment=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "SMIMSO_TEST_DATABASE": connection.settings_dict["NAME"],
            "PYTHONUNBUFFERED": "1",
            "SMIMSO_AI_THREADS": "1",  # on a busy machine more threads would wait for each other
        },
    )
    shared_programs.callback(_redis().flushdb)  # what the worker said of itself
    process = shared_programs.enter_context(running(program, servers))
    wait_until(
        lambda: celery_app.control.ping(destination=[WORKER], timeout=0.5), process, seconds=300
    )
    yield
    shared_programs.close()


@pytest.fixture
def worker(transactional_db: None, worker_process: None) -> None:
    """A running worker and empty queues. It commits its work, so the test must commit, too."""
    _redis().delete(*queues.ALL)
    deadline = time.monotonic() + 120
    # An earlier test may have moved its collection to another model.
    while not any(state.has_clip(clip_name()) for state in live_workers()):
        assert time.monotonic() < deadline, "the worker has not loaded the configured model"
        time.sleep(0.1)


# --- The cast -------------------------------------------------------------------------------


@pytest.fixture
def member(db: None) -> Callable[..., User]:
    """`member("Linh")`: a new member with that first name and the password `PASSWORD`."""

    def make(first_name: str, **fields: Any) -> User:
        email = fields.pop("email", f"{first_name.lower()}@example.test")
        return User.objects.create_user(email, PASSWORD, first_name=first_name, **fields)

    return make


@pytest.fixture
def owner(member: Callable[..., User]) -> User:
    """The author of the posts that the test is about."""
    return member("Owner")


@pytest.fixture
def friend(member: Callable[..., User], owner: User) -> User:
    """A member who follows the owner and is followed back."""
    friend = member("Friend")
    Follow.objects.create(follower=friend, following=owner)
    Follow.objects.create(follower=owner, following=friend)
    return friend


@pytest.fixture
def follower(member: Callable[..., User], owner: User) -> User:
    """A member who follows the owner and is not followed back."""
    follower = member("Follower")
    Follow.objects.create(follower=follower, following=owner)
    return follower


@pytest.fixture
def followed(member: Callable[..., User], owner: User) -> User:
    """A member whom the owner follows and who does not follow back."""
    followed = member("Followed")
    Follow.objects.create(follower=owner, following=followed)
    return followed


@pytest.fixture
def stranger(member: Callable[..., User]) -> User:
    return member("Stranger")


@pytest.fixture
def anonymous() -> None:
    """Nobody: a viewer without an account."""


@pytest.fixture
def viewer(request: pytest.FixtureRequest) -> User | None:
    """The viewer that `tests.visibility.each_viewer` names."""
    user: User | None = request.getfixturevalue(request.param)
    return user


@pytest.fixture
def api() -> Callable[..., APIClient]:
    """`api(user)`: a client with that member's token; `api()`: one without."""

    def make(user: User | None = None) -> APIClient:
        client = APIClient()
        if user is not None:
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(user)}")
        return client

    return make


@pytest.fixture
def client() -> Client:
    """A browser: a client that accepts HTML."""
    return Client(headers={"accept": "text/html"})


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """`picture()`: the bytes of a small image file of one colour."""

    def make(
        *, size: tuple[int, int] = (96, 64), color: str = "teal", format: str = "JPEG"
    ) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", size, color).save(buffer, format)
        return buffer.getvalue()

    return make
