"""A database of the Node backend, as its scripts create it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

BCRYPT = "$2a$10$" + "Abc./9" * 8 + "Abcde"
LONG_AGO = datetime(2024, 11, 29, 13, 33, 59, 123456, tzinfo=UTC)

BASE = """
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email varchar(255) UNIQUE NOT NULL,
    phone varchar(20) UNIQUE,
    password_hash varchar(255),
    first_name varchar(100) NOT NULL,
    last_name varchar(100) NOT NULL,
    date_of_birth date,
    job varchar(255),
    avatar_url text,
    cover_url text,
    bio text,
    auth_provider varchar(50) DEFAULT 'credential',
    google_id varchar(255) UNIQUE,
    is_verified boolean DEFAULT false,
    is_active boolean DEFAULT true,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE TABLE surveys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES users ON DELETE CASCADE UNIQUE,
    favorite_categories text[],
    usage_purposes text[],
    awareness_source varchar(100),
    expectation_level integer CHECK (expectation_level BETWEEN 1 AND 5),
    completed_at timestamptz DEFAULT now()
);
CREATE TABLE categories (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(100) UNIQUE NOT NULL,
    slug varchar(100) UNIQUE NOT NULL,
    description text,
    icon_url text,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE posts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES users ON DELETE CASCADE,
    title varchar(255) NOT NULL,
    description text,
    category_id uuid REFERENCES categories,
    tags text[],
    visibility varchar(20) DEFAULT 'public'
        CHECK (visibility IN ('public', 'friends', 'private')),
    view_count integer DEFAULT 0,
    like_count integer DEFAULT 0,
    comment_count integer DEFAULT 0,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE TABLE post_images (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    post_id uuid REFERENCES posts ON DELETE CASCADE,
    image_url text NOT NULL,
    image_path text NOT NULL,
    width integer,
    height integer,
    file_size integer,
    caption text,
    display_order integer DEFAULT 0,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE likes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES users ON DELETE CASCADE,
    post_id uuid REFERENCES posts ON DELETE CASCADE,
    created_at timestamptz DEFAULT now(),
    UNIQUE (user_id, post_id)
);
CREATE TABLE comments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES users ON DELETE CASCADE,
    post_id uuid REFERENCES posts ON DELETE CASCADE,
    parent_comment_id uuid REFERENCES comments ON DELETE CASCADE,
    content text NOT NULL,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE TABLE saved_posts (LIKE likes INCLUDING ALL);
CREATE TABLE user_activities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES users ON DELETE CASCADE,
    post_id uuid REFERENCES posts ON DELETE CASCADE,
    activity_type varchar(50) NOT NULL,
    created_at timestamptz DEFAULT now()
);
"""
MIGRATIONS = """
CREATE EXTENSION vector;
ALTER TABLE post_images ADD embedding vector(512), ADD ai_caption text, ADD user_caption text;
ALTER TABLE posts ADD caption text;
CREATE TABLE follows (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    follower_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    following_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz DEFAULT now(),
    UNIQUE (follower_id, following_id),
    CHECK (follower_id <> following_id)
);
CREATE TABLE notifications (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    type varchar(50) NOT NULL CHECK (type IN ('like', 'comment', 'follow', 'mention')),
    content text NOT NULL,
    related_user_id uuid REFERENCES users ON DELETE CASCADE,
    post_id uuid REFERENCES posts ON DELETE CASCADE,
    is_read boolean DEFAULT false,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE conversations (
    id uuid PRIMARY KEY,
    type varchar(20) NOT NULL CHECK (type IN ('direct', 'group')),
    name varchar(255),
    created_by uuid REFERENCES users ON DELETE SET NULL,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    last_message_at timestamptz
);
CREATE TABLE messages (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES conversations ON DELETE CASCADE,
    sender_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    message_type varchar(20) NOT NULL DEFAULT 'text',
    content text,
    created_at timestamptz DEFAULT now()
);
"""
_CONSTRAINTS = """
SELECT c.conrelid::regclass::text AS "table", c.conname AS name
FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
WHERE n.nspname = 'public' AND c.contype IN ('f', 'u', 'c', 'n') AND c.conkey NOT IN (
    SELECT conkey FROM pg_constraint p WHERE p.conrelid = c.conrelid AND p.contype = 'p'
)
ORDER BY c.contype = 'u'
"""
_LENGTH_LIMITS = """
SELECT table_name AS "table", column_name AS name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'character varying'
"""


class NodeDatabase:
    """A source database. `add` fills in required columns and fixed times."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.connection = psycopg.connect(dsn, autocommit=True)

    def run(self, query: str, *parameters: Any) -> Any:
        cursor = self.connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else None

    def add(self, table: str, **values: Any) -> UUID:
        row = {"id": uuid4(), "created_at": LONG_AGO, **_required(table), **values}
        if table == "surveys":
            del row["created_at"]
        names = sql.SQL(", ").join(map(sql.Identifier, row))
        placeholders = sql.SQL(", ").join([sql.Placeholder()] * len(row))
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({})")
        cells = [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
        self.connection.execute(query.format(sql.Identifier(table), names, placeholders), cells)
        return row["id"]

    def user(self, **values: Any) -> UUID:
        return self.add("users", **{"email": f"{uuid4().hex}@example.test", **values})

    def post(self, **values: Any) -> UUID:
        """Add a post by the given user or by a new one."""
        return self.add("posts", **{"user_id": values.get("user_id") or self.user(), **values})

    def image(self, url: str, **values: Any) -> UUID:
        values = {"post_id": values.get("post_id") or self.post(), **values}
        return self.add("post_images", image_url=url, image_path=url, **values)

    def loosen(self) -> None:
        """Drop constraints and length limits, like a database restored without them."""
        for table, name in self.run(_CONSTRAINTS):
            change = sql.SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}")
            self.connection.execute(change.format(sql.Identifier(table), sql.Identifier(name)))
        for table, name in self.run(_LENGTH_LIMITS):
            change = sql.SQL("ALTER TABLE {} ALTER {} TYPE text")
            self.connection.execute(change.format(sql.Identifier(table), sql.Identifier(name)))


def _required(table: str) -> Mapping[str, Any]:
    required: dict[str, dict[str, Any]] = {
        "users": {
            "first_name": "Ann",
            "last_name": "Le",
            "password_hash": BCRYPT,
            "updated_at": LONG_AGO,
        },
        "posts": {"title": "A lake", "updated_at": LONG_AGO},
        "comments": {"content": "Well seen", "updated_at": LONG_AGO},
        "notifications": {"type": "like", "content": "Ann liked your post"},
        "user_activities": {"activity_type": "view"},
    }
    return required.get(table, {})
