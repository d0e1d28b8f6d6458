"""The production settings with servers and a directory that belong to this test run.

The environment is set before the real settings read it: neither a developer's `.env` nor a
DATABASE_URL in the shell can lead the tests to data that someone needs.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from smimso.local import servers
from smimso.local.processes import demo_environment

_inherited = os.environ.get("SMIMSO_TEST_DIR")
_lane = os.environ.get("PYTEST_XDIST_WORKER")  # gw0, gw1, … when pytest-xdist runs the tests
if _inherited and _lane and Path(_inherited).name != _lane:
    # A lane of pytest-xdist: servers and files of its own, inside the directory of the run.
    _directory, _is_started_by_a_test = str(Path(_inherited) / _lane), False
    Path(_directory).mkdir()
elif _inherited:
    _directory, _is_started_by_a_test = _inherited, True
else:
    _directory, _is_started_by_a_test = tempfile.mkdtemp(prefix="smimso-test-"), False
    atexit.register(shutil.rmtree, _directory, ignore_errors=True)
if not _is_started_by_a_test:
    _sockets = servers.socket_directory(Path(_directory).resolve())
    atexit.register(shutil.rmtree, _sockets, ignore_errors=True)
(Path(_directory) / "static").mkdir(exist_ok=True)  # whitenoise warns when there is none
os.environ |= {
    "SMIMSO_TEST_DIR": _directory,  # workers and web servers use these settings, too
    "SMIMSO_DATA_DIR": _directory,
    "SMIMSO_ENV": "test",
    "DATABASE_URL": servers.database_url(
        Path(_directory).resolve(), os.environ.get("SMIMSO_TEST_DATABASE", "smimso")
    ),
    "REDIS_URL": servers.redis_url(Path(_directory).resolve()),
    "SECRET_KEY": "a secret that only the tests use, 32 characters",
    "JWT_SECRET": "another secret that only the tests use",
    "SMIMSO_LOG_LEVEL": "WARNING",
    "EMAIL_URL": "",
    **demo_environment(),
    "SMIMSO_AI_PUBLIC": "0",
    "SMIMSO_AI_TIMEOUT": "120",  # the machine may be busy
}

from smimso.settings import *  # noqa: E402, F403
from smimso.settings import CACHES, DATABASES, REDIS_URL  # noqa: E402

# Pooled connections would outlive the test that opened them.
DATABASES["default"]["OPTIONS"].pop("pool")
if not _is_started_by_a_test:
    # In a deadlock between a test that empties tables and a program, the program is aborted.
    DATABASES["default"]["OPTIONS"]["options"] = "-c deadlock_timeout=60s"
# Clearing this cache empties its Redis database, so the queues live in another one.
CACHES["default"]["LOCATION"] = REDIS_URL.replace("db=0", "db=1")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests post the same picture or comment repeatedly; tests of retries set their own.
POST_RETRY_SECONDS = COMMENT_RETRY_SECONDS = 0
# Each test client starts the middleware, and reading all static files takes longer than a request.
WHITENOISE_AUTOREFRESH = True
THROTTLES = {}  # the tests of throttles set their own
