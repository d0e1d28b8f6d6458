"""The command: repeated, interrupted, dry and failing runs, and ten thousand posts."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import bcrypt
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from accounts.models import Category, User
from accounts.services import authenticate_user
from ai.model_ids import clip_name
from posts.models import Comment, Like, Post, PostImage
from smimso.local import servers
from smimso.settings import PASSWORD_HASHERS
from tests.importer.node_database import LONG_AGO, NodeDatabase
from tests.importer.summary import counts
from tests.importer.test_completeness import fill

Run = Callable[..., str]

MANY = """
INSERT INTO users (email, first_name, last_name, password_hash)
    SELECT 'member' || n || '@example.test', 'Member', n::text, 'x'
    FROM generate_series(1, {0}/10) n;
INSERT INTO posts (user_id, title, description, tags, created_at, updated_at)
    SELECT u.id, 'Post ' || n, repeat('words ', 20), ARRAY['a', 'b'],
        now() - n * interval '1 minute', now() - n * interval '1 minute'
    FROM generate_series(1, {0}) n
    JOIN users u ON u.email = 'member' || (1 + n % ({0}/10)) || '@example.test';
INSERT INTO post_images (post_id, image_url, image_path, embedding)
    SELECT id, 'https://images.example/' || id, '', {1} FROM posts;
INSERT INTO likes (user_id, post_id, created_at)
    SELECT DISTINCT ON (user_id, post_id) user_id, post_id, created_at FROM (
        SELECT u.id AS user_id, p.id AS post_id, p.created_at FROM posts p
        CROSS JOIN LATERAL (SELECT id FROM users WHERE p.id IS NOT NULL OFFSET 3 LIMIT 3) u) x;
INSERT INTO comments (user_id, post_id, content)
    SELECT user_id, id, 'Nice' FROM posts;
"""
VECTOR = "(SELECT array_agg(0.04419417 * (CASE WHEN i % 3 = 0 THEN -1 ELSE 1 END))::vector(512) " \
    "FROM generate_series(1, 512) i)"  # fmt: skip


def all_rows() -> dict[str, list[tuple]]:
    """Return every row of the imported tables as text."""
    rows = {}
    with connection.cursor() as cursor:
        for table in (
            *("users", "surveys", "categories", "posts", "post_images", "likes", "comments"),
            *("saved_posts", "user_activities", "follows", "notifications"),
        ):
            cursor.execute(f"SELECT t::text FROM {table} t ORDER BY id")
            rows[table] = cursor.fetchall()
    return rows


# --- Repeated runs ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_second_run_changes_nothing(
    node: NodeDatabase, run_import: Run, uploads: Path, picture: Callable[..., bytes]
):
    fill(node)
    (uploads / "a.jpg").write_bytes(picture())
    node.image("/uploads/a.jpg")
    node.user(password_hash=None, email="ANN@example.test", avatar_url="/uploads/a.jpg")
    run_import(node, uploads_dir=uploads)
    before = all_rows()
    tables = counts(run_import(node, uploads_dir=uploads))
    assert all_rows() == before
    for table, line in tables.items():
        assert (line["imported"], line["updated"]) == (0, 0), table


@pytest.mark.django_db
def test_a_later_run_imports_only_newer_rows(node: NodeDatabase, run_import: Run):
    later = LONG_AGO + timedelta(hours=1)
    newer, edited = node.post(title="one"), node.post(title="two")
    member = node.user()
    run_import(node)
    Post.objects.filter(pk=edited).update(title="ours", updated_at=later + timedelta(hours=1))
    User.objects.get(pk=member).set_password("a new one")
    User.objects.filter(pk=member).update(password="argon2$new", updated_at=LONG_AGO)
    node.run("UPDATE posts SET title = 'theirs', updated_at = %s", later)
    node.run("UPDATE users SET bio = 'Hello', updated_at = %s", later)
    added = node.post(user_id=member)
    tables = counts(run_import(node))
    assert tables["posts"] == {"read": 3, "imported": 1, "updated": 1, "same": 1, "skipped": 0}
    assert Post.objects.get(pk=newer).title == "theirs"
    assert Post.objects.get(pk=edited).title == "ours"
    assert Post.objects.filter(pk=added).exists()
    user = User.objects.get(pk=member)
    assert (user.bio, user.password, user.updated_at) == ("Hello", "argon2$new", later)


@pytest.mark.django_db
@override_settings(PASSWORD_HASHERS=PASSWORD_HASHERS)
def test_members_log_in_with_their_old_password(node: NodeDatabase, run_import: Run):
    hashed = bcrypt.hashpw(b"as before", bcrypt.gensalt(4, prefix=b"2a")).decode()
    member = node.user(email="Ann@example.test", password_hash=hashed)
    run_import(node)
    assert authenticate_user(email_or_phone="ann@example.test", password="as before").pk == member
    rehashed = User.objects.get(pk=member).password
    assert rehashed.startswith("argon2")
    run_import(node)
    assert User.objects.get(pk=member).password == rehashed


# --- Dry runs -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_dry_run_reports_the_same_and_writes_nothing(
    node: NodeDatabase, run_import: Run, uploads: Path, picture: Callable[..., bytes]
):
    fill(node)
    (uploads / "a.jpg").write_bytes(picture())
    image_id = node.image("/uploads/a.jpg")
    node.user(avatar_url="/uploads/a.jpg")
    files = sorted(Path(settings.MEDIA_ROOT).rglob("*"))
    before = all_rows()
    dry = run_import(node, uploads_dir=uploads, dry_run=True)
    assert all_rows() == before
    assert sorted(Path(settings.MEDIA_ROOT).rglob("*")) == files
    assert dry.endswith("Dry run: nothing was written.\n")
    real = run_import(node, uploads_dir=uploads)
    assert dry.startswith(real.rstrip("\n"))
    assert PostImage.objects.get(pk=image_id).image_path


# --- Failing runs -------------------------------------------------------------------------------


def manage(*words: str, **options: object) -> subprocess.Popen[str]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "SMIMSO_TEST_DATABASE": connection.settings_dict["NAME"],
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_smimso", *words],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "dsn",
    ["postgresql://nobody:secret@127.0.0.1:1/nothing", "postgresql://u:secret@h:x/", "secret"],
)
@pytest.mark.django_db
def test_a_wrong_dsn_is_one_line(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError) as error:
        call_command("import_smimso", dsn=dsn)
    assert len(str(error.value).strip().splitlines()) == 1
    assert "secret" not in str(error.value)
    assert capsys.readouterr().out == ""


@pytest.mark.django_db
def test_other_databases_are_refused(make_node: Callable[[str], NodeDatabase], run_import: Run):
    with pytest.raises(CommandError, match="neither a table users nor a table posts"):
        run_import(make_node("CREATE TABLE other (id int)"))
    ours = servers.database_url(settings.DATA_DIR, connection.settings_dict["NAME"])
    with pytest.raises(CommandError, match="a database of this SMIMSO"):
        call_command("import_smimso", dsn=ours)


@pytest.mark.django_db
def test_rows_that_row_security_hides_are_an_error(node: NodeDatabase, run_import: Run):
    node.post()
    role = f"reader_{node.dsn[-12:]}"
    node.run(f"CREATE ROLE {role} LOGIN")
    node.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    node.run("ALTER TABLE posts ENABLE ROW LEVEL SECURITY")
    node.dsn = node.dsn.replace("postgresql://postgres@", f"postgresql://{role}@")
    with pytest.raises(CommandError, match="row-level security"):
        run_import(node)


# --- Interrupted and large runs -----------------------------------------------------------------


@pytest.fixture
def committing_database(transactional_db: None) -> None:
    """Let the test see what another process commits."""


@pytest.mark.slow
def test_a_killed_run_is_resumed(committing_database: None, node: NodeDatabase):
    node.run(MANY.format(1000, VECTOR))
    words = ("--dsn", node.dsn, "--batch", "20", "-v", "0")
    process = manage(*words)
    deadline = time.monotonic() + 300
    while Post.objects.count() < 200 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert 200 <= Post.objects.count() < 1000
    process = manage(*words)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    tables = counts(output)
    assert tables["posts"]["same"] >= 200
    assert tables["posts"]["same"] + tables["posts"]["imported"] == Post.objects.count() == 1000
    assert (PostImage.objects.count(), Comment.objects.count()) == (1000, 1000)
    assert set(Post.objects.values_list("comment_count", flat=True)) == {1}


@pytest.mark.slow
@pytest.mark.django_db
def test_thousands_of_posts(node: NodeDatabase, run_import: Run) -> None:
    node.run(MANY.format(3_000, VECTOR))
    summary = run_import(node, clip_model=clip_name())
    assert Post.objects.count() == PostImage.objects.count() == 3_000
    assert PostImage.objects.filter(embedding=None).count() == 0
    assert counts(summary)["likes"]["imported"] == Like.objects.count() == 9_000
    assert Category.objects.count() == 10
