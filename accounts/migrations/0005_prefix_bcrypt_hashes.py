"""Put the algorithm in front of the bcrypt hashes that came from the Node backend.

Until now the prefix was added at each read. A password-reset link that such a member has not used
yet becomes invalid, because links are derived from the stored hash; everything else stays valid.
"""

from typing import Any

from django.db import migrations

BATCH_SIZE = 10_000
FIRST_ID = "00000000-0000-0000-0000-000000000000"
# Only complete hashes: anything else could not be checked and would fail with an error.
BARE_HASH = r"^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$"
# Walks along the primary key. The UPDATE reads each row's current value, so that a password that
# is changed at the same moment is left alone.
PREFIX_BATCH = """
    WITH batch AS (
        SELECT id FROM users WHERE id >= %s ORDER BY id LIMIT %s
    ), prefixed AS (
        UPDATE users SET password_hash = 'bcrypt$' || password_hash
        FROM batch WHERE users.id = batch.id AND password_hash ~ %s
    )
    SELECT id FROM users WHERE id > (SELECT id FROM batch ORDER BY id DESC LIMIT 1)
    ORDER BY id LIMIT 1
"""


def prefix_hashes(apps: Any, schema_editor: Any) -> None:
    """Prefix every bare hash, a batch per transaction. Running it again changes nothing."""
    first_id = FIRST_ID
    with schema_editor.connection.cursor() as cursor:
        while first_id:
            cursor.execute(PREFIX_BATCH, [first_id, BATCH_SIZE, BARE_HASH])
            next_row = cursor.fetchone()
            first_id = next_row[0] if next_row else None


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0004_category_prompt_vi")]
    # Nothing to undo: the code before this migration reads both forms.
    operations = [migrations.RunPython(prefix_hashes, migrations.RunPython.noop)]
