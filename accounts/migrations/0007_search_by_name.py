"""Fold text for search (`smimso.text`), and find members by any part of their names."""

from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations

import accounts.models
from smimso import text

# Every part of a word from some character on, so that a prefix of one is any part of the word.
# Bounded for any name, because PostgreSQL refuses a tsvector of more than 1 MB, and so the write.
NAME_PARTS = f"""
CREATE OR REPLACE FUNCTION name_parts(first_name text, last_name text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 2000 SET search_path FROM CURRENT AS $$
DECLARE
    folded text := replace(left(fold_text(first_name || ' ' || last_name), 400), '_', '');
BEGIN
    RETURN array_to_tsvector(ARRAY(
        SELECT DISTINCT substr(left(word, {text.MAX_WORD_LENGTH}), start)
        FROM unnest(string_to_array(folded, ' ')) AS words (word),
            generate_series(1, least(length(word), {text.MAX_WORD_LENGTH})) AS start
    ));
END $$;
"""
UNDO = "DROP FUNCTION IF EXISTS name_parts; DROP FUNCTION IF EXISTS fold_text;"


def create_functions(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(text.fold_text_sql() + NAME_PARTS, params=None)


def drop_functions(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(UNDO)


class Migration(migrations.Migration):
    atomic = False  # the index is built without a lock
    dependencies = [("accounts", "0006_category_help_texts")]

    operations = [
        migrations.RunPython(create_functions, drop_functions),
        AddIndexConcurrently(
            "user",
            GinIndex(
                accounts.models.NameParts("first_name", "last_name"), name="idx_users_name_parts"
            ),
        ),
    ]
