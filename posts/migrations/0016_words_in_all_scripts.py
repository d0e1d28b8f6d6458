"""Renew the search documents with the words that `smimso.text` defines, a batch per transaction.

Posts whose words stay the same, as those of most Latin texts, are read but not written.
"""

from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations

from smimso import text

BATCH_SIZE = 1_000
NIL_ID = "00000000-0000-0000-0000-000000000000"

# As in migration 0003, but a document that stays the same is not written.
RENEW_WORDS = """
CREATE OR REPLACE FUNCTION renew_words(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Locked by one statement and read by the next, which sees what another transaction wrote
    -- until it let the lock go.
    PERFORM 1 FROM post_words WHERE post_id = ANY(ids) ORDER BY post_id FOR UPDATE;
    WITH renewed AS MATERIALIZED (
        SELECT id, words_about(posts) AS document FROM posts WHERE id = ANY(ids)
    )
    UPDATE post_words SET document = renewed.document FROM renewed
    WHERE post_id = renewed.id AND post_words.document IS DISTINCT FROM renewed.document;
END $$;
"""
AS_BEFORE = """
CREATE OR REPLACE FUNCTION folded_words(written text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('simple'::regconfig, regexp_replace(
        translate(
            normalize(lower(left(written, 60000)), NFD),
            U&'\\0111\\0110\\0300\\0301\\0302\\0303\\0304\\0306\\0308\\0309\\030A\\030B\\030C\\031B\\0323\\0327\\0328',
            'dd'
        ),
        '[^[:alnum:]]+', ' ', 'g'
    ))
$$;
"""
NEXT_BATCH = """
    SELECT array_agg(post_id ORDER BY post_id)
    FROM (SELECT post_id FROM post_words WHERE post_id > %s ORDER BY post_id LIMIT %s) AS batch
"""


def renew(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(text.FOLDED_WORDS_SQL + RENEW_WORDS, params=None)
    _renew_documents(schema_editor)


def restore(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(AS_BEFORE, params=None)
    _renew_documents(schema_editor)


def _renew_documents(schema_editor: Any) -> None:
    """Renew every document. Running it again writes nothing."""
    last = NIL_ID
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT_BATCH, [last, BATCH_SIZE])
            batch = cursor.fetchone()[0]
            if batch is None:
                return
            cursor.execute("SELECT renew_words(%s)", [batch])
            last = batch[-1]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("posts", "0015_standard_names"), ("accounts", "0007_search_by_name")]

    operations = [
        migrations.RunPython(renew, restore),
        AddIndexConcurrently(
            "comment",
            GinIndex(text.FoldedWords("content"), name="idx_comments_words"),
        ),
    ]
