"""Put the algorithm in front of the bcrypt hashes that came from the Node backend.

Until now the prefix was added at each read. A password-reset link that such a member has not used
yet becomes invalid, because links are derived from the stored hash; everything else stays valid.
"""

from typing import Any

from django.db import migrations

BATCH_SIZE = 10_000
NIL_ID = "00000000-0000-0000-0000-000000000000"
# Only complete hashes: anything else could not be checked and would fail with an error.
BARE_HASH = r"^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$"
LAST_ID_OF_BATCH = """
    SELECT id FROM (SELECT id FROM users WHERE id > %s ORDER BY id LIMIT %s) AS batch
    ORDER BY id DESC LIMIT 1
"""
# A range of ids and no join, so that the plan does not depend on statistics. A row that changes at
# the same moment is checked again with its new password.
PREFIX_BATCH = """
    UPDATE users SET password_hash = 'bcrypt$' || password_hash
    WHERE id > %s AND id <= %s AND password_hash ~ %s
"""


def prefix_hashes(apps: Any, schema_editor: Any) -> None:
    """Prefix every bare hash, a batch per transaction. Running it again changes nothing."""
    previous_id = NIL_ID
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(LAST_ID_OF_BATCH, [previous_id, BATCH_SIZE])
            last = cursor.fetchone()
            if last is None:
                return
            cursor.execute(PREFIX_BATCH, [previous_id, last[0], BARE_HASH])
            previous_id = last[0]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0004_category_prompt_vi")]
    # Nothing to undo: the code before this migration reads both forms.
    operations = [migrations.RunPython(prefix_hashes, migrations.RunPython.noop)]
