"""Remove the AI's captions that repeat themselves, a batch per statement.

With a post's caption go the fields that the AI filled from it; it may fill them again. The author's
words stay: `user_caption`, and all fields that are not in `ai_fields`.
"""

from collections.abc import Iterator
from typing import Any

from django.db import migrations

from ai.repetition import is_repetitive, without_repetition

BATCH_SIZE = 2_000
NIL_ID = "00000000-0000-0000-0000-000000000000"
UNTITLED = "Untitled Post"
IMAGES = """
    SELECT id, ai_caption, caption FROM post_images
    WHERE id > %s AND (ai_caption IS NOT NULL OR caption IS NOT NULL) ORDER BY id LIMIT %s
"""
POSTS = """
    SELECT id, caption, title, description, ai_fields FROM posts
    WHERE id > %s AND (caption IS NOT NULL OR ai_fields && '{title,description}')
    ORDER BY id LIMIT %s
"""
# Rows that were written meanwhile are left alone: their captions were checked.
CLEAR_IMAGE = """
    UPDATE post_images SET ai_caption = %s, caption = %s
    WHERE id = %s AND ai_caption IS NOT DISTINCT FROM %s AND caption IS NOT DISTINCT FROM %s
"""
CLEAR_POST = """
    UPDATE posts SET
        caption = CASE WHEN %(caption)s THEN NULL ELSE caption END,
        title = CASE WHEN 'title' = ANY(%(fields)s) THEN %(untitled)s ELSE title END,
        description = CASE WHEN 'description' = ANY(%(fields)s) THEN NULL ELSE description END,
        tags = CASE WHEN 'tags' = ANY(%(fields)s) THEN NULL ELSE tags END,
        open_fields = open_fields || %(fields)s::varchar[],
        ai_fields = ARRAY(SELECT unnest(ai_fields) EXCEPT SELECT unnest(%(fields)s::varchar[]))
    WHERE id = %(id)s AND ai_fields = %(ai_fields)s::varchar[] AND title = %(title)s
        AND caption IS NOT DISTINCT FROM %(old)s
"""


def clear_captions(apps: Any, schema_editor: Any) -> None:
    """Clear all. Running it again writes nothing."""
    with schema_editor.connection.cursor() as cursor:
        for rows in _batches(cursor, IMAGES):
            checked = [
                (without_repetition(ai), without_repetition(legacy), pk, ai, legacy)
                for pk, ai, legacy in rows
            ]
            _run(cursor, CLEAR_IMAGE, [row for row in checked if row[:2] != row[3:]])
        for rows in _batches(cursor, POSTS):
            cleared = [_cleared(*row) for row in rows]
            _run(cursor, CLEAR_POST, [row for row in cleared if row["caption"] or row["fields"]])


def _batches(cursor: Any, query: str) -> Iterator[list[Any]]:
    last = NIL_ID
    while True:
        cursor.execute(query, [last, BATCH_SIZE])
        rows = cursor.fetchall()
        if not rows:
            return
        yield rows
        last = rows[-1][0]


def _run(cursor: Any, statement: str, rows: list[Any]) -> None:
    if rows:
        cursor.executemany(statement, rows)


def _cleared(
    pk: Any, caption: str | None, title: str, description: str | None, ai_fields: list[str]
) -> dict[str, Any]:
    repeats = caption is not None and is_repetitive(caption)
    filled = {
        "title": is_repetitive(title),
        "description": bool(description) and is_repetitive(description or ""),
        "tags": repeats,
    }
    fields = [name for name, repetitive in filled.items() if repetitive and name in ai_fields]
    return {
        "id": pk,
        "caption": repeats,
        "fields": fields,
        "untitled": UNTITLED,
        "old": caption,
        "title": title,
        "ai_fields": ai_fields,
    }


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("posts", "0019_animated_images")]
    operations = [migrations.RunPython(clear_captions, migrations.RunPython.noop)]
