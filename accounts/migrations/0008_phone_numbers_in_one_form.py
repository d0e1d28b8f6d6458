"""Store phone numbers in E.164 form, so that one number is one account.

Of several members with one number, the oldest gets it in that form. The others keep it as they
typed it, and log in with it as before. Texts that are no phone numbers stay as they are.
"""

import logging
from typing import Any

from django.db import migrations

from smimso.login_names import normalize_phone

BATCH_SIZE = 2_000
# A number that the member changes at the same moment is left alone.
REWRITE = """
    UPDATE users SET phone = number
    FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS given (member, typed, number)
    WHERE id = member AND phone = typed
"""
logger = logging.getLogger(__name__)


def normalize_phones(apps: Any, schema_editor: Any) -> None:
    """Rewrite the numbers, oldest member first, each batch at once. May run again."""
    User = apps.get_model("accounts", "User")
    rows = User.objects.exclude(phone=None).order_by("created_at", "pk").values_list("pk", "phone")
    typed, batch = 0, []
    for row in rows.iterator(chunk_size=BATCH_SIZE):
        batch.append(row)
        if len(batch) == BATCH_SIZE:
            typed += _rewrite(User, schema_editor.connection, batch)
            batch = []
    typed += _rewrite(User, schema_editor.connection, batch)
    if typed:
        logger.warning("%d members keep their phone number as typed: others have it", typed)


def _rewrite(User: Any, connection: Any, rows: list[tuple[Any, str]]) -> int:
    """Return how many members keep a number as typed because another one has it."""
    numbers = [(pk, typed, normalize_phone(typed)) for pk, typed in rows]
    wanted = [row for row in numbers if row[2] not in (None, row[1])]
    taken = set(
        User.objects.filter(phone__in=[number for _, _, number in wanted])
        .values_list("phone", flat=True)
    )
    changes = {}
    for pk, typed, number in wanted:
        if number not in taken:
            changes.setdefault(number, (pk, typed))
    with connection.cursor() as cursor:
        pks, typed_phones = zip(*changes.values()) if changes else ((), ())
        cursor.execute(REWRITE, [list(pks), list(typed_phones), list(changes)])
    return len(wanted) - len(changes)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0007_search_by_name")]
    # Not undone: what members typed is no longer known.
    operations = [migrations.RunPython(normalize_phones, migrations.RunPython.noop)]
