"""Store phone numbers in E.164 form, so that one number is one account.

Of several members with one number, the oldest gets it in that form. The others keep it as they
typed it, and log in with it as before. Texts that are no phone numbers stay as they are.
"""

import logging
from typing import Any

from django.db import migrations

from smimso.login_names import normalize_phone

BATCH_SIZE = 2_000
logger = logging.getLogger(__name__)


def normalize_phones(apps: Any, schema_editor: Any) -> None:
    """Rewrite the numbers, oldest member first. Running it again changes nothing."""
    User = apps.get_model("accounts", "User")
    members = User.objects.exclude(phone=None).order_by("created_at", "pk").only("pk", "phone")
    batch, typed = [], 0
    for member in members.iterator(chunk_size=BATCH_SIZE):
        batch.append(member)
        if len(batch) == BATCH_SIZE:
            typed += _normalize_batch(User, batch)
            batch = []
    typed += _normalize_batch(User, batch)
    if typed:
        logger.warning("%d members keep their phone number as typed: others have it", typed)


def _normalize_batch(User: Any, members: list[Any]) -> int:  # noqa: N803 - a model
    """Return how many members keep a number as typed because another one has it."""
    numbers = {member.pk: normalize_phone(member.phone) for member in members}
    wanted = [member for member in members if numbers[member.pk] not in (None, member.phone)]
    taken = set(
        User.objects.filter(phone__in=[numbers[member.pk] for member in wanted])
        .values_list("phone", flat=True)
    )
    changed = []
    for member in wanted:
        number = numbers[member.pk]
        if number not in taken:
            taken.add(number)
            member.phone = number
            changed.append(member)
    User.objects.bulk_update(changed, ["phone"])
    return len(wanted) - len(changed)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_search_by_name")]
    # Nothing to undo: the code before this migration reads both forms.
    operations = [migrations.RunPython(normalize_phones, migrations.RunPython.noop)]
