"""Bring the tags of existing posts into their normal form, a batch per transaction."""

from typing import Any

from django.db import migrations

from posts.tags import clean_tags

BATCH_SIZE = 2_000
NIL_ID = "00000000-0000-0000-0000-000000000000"
NEXT_BATCH = """
    SELECT id, tags FROM posts WHERE id > %s AND tags IS NOT NULL ORDER BY id LIMIT %s
"""
# Tags that were edited meanwhile are in their normal form already.
UPDATE = "UPDATE posts SET tags = %s::text[] WHERE id = %s AND tags = %s::text[]"


def normalize_tags(apps: Any, schema_editor: Any) -> None:
    """Normalize all tags. Running it again writes nothing."""
    last = NIL_ID
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT_BATCH, [last, BATCH_SIZE])
            rows = cursor.fetchall()
            if not rows:
                return
            cleaned = [(clean_tags(filter(None, tags)) or None, pk, tags) for pk, tags in rows]
            changed = [row for row in cleaned if row[0] != row[2]]
            if changed:
                cursor.executemany(UPDATE, changed)
            last = rows[-1][0]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("posts", "0016_words_in_all_scripts")]
    operations = [migrations.RunPython(normalize_tags, migrations.RunPython.noop)]
