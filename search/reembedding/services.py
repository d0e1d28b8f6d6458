"""Re-embedding: moves the collection to another CLIP model while it is searched.

1. `start` records the next model; workers load it in addition to the searched one.
2. Workers backfill: each image gets a second vector, new uploads get both.
3. The index of the new vectors is built.
4. The two columns swap their names from one moment to the next. Only an operator can let more than
   a few images drop out of search by that.

The previous vectors are retained and kept up to date until `purge_previous`, so that `roll_back` is
the same swap again. The rows of `vector_spaces` and of the images are the truth: `advance` looks
for what is missing and takes the next step. Celery beat calls it every few seconds, so nothing is
lost when a worker or a command ends.
"""

import logging
from datetime import datetime, timedelta
from time import sleep
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy, gettext_noop

from ai import model_ids, vector_space
from ai import services as ai
from ai.models import Column, State, VectorSpace
from posts.ingest import queue
from posts.models import PostImage
from search.ann import index
from search.reembedding.progress import current_progress
from smimso.celery import send_task
from smimso.errors import InvalidInput, Unavailable
from smimso.queues import BACKFILL, INTERACTIVE

logger = logging.getLogger(__name__)

STALL_TIMEOUT = timedelta(seconds=20)  # without a batch, the messages must be lost
# Between backfills of a retained model, each of which reads the whole table.
RECHECK_INTERVAL = timedelta(minutes=15)
LOCK_TIMEOUT, LOCK_TRIES = 0.25, 10  # seconds: while the swap waits for its lock, searches wait too
PAUSE_SECONDS = 1.0  # lets the searches that waited run before the next try
# Longer than deadlock_timeout, after which VACUUM gives way to a waiting lock.
VACUUM_LOCK_TIMEOUT = 3.0
PURGE_BATCH_SIZE = 2_000  # rows


def start(model: str, pretrained: str = "") -> None:
    """Start moving the collection to a model: a preset's key, or open_clip's model and weights.

    Repeating the call changes nothing. Raises InvalidInput for the searched model, for a directory
    without weights, and while there are vectors of another model.
    """
    model, pretrained = model_ids.resolve(model, pretrained)
    if not model_ids.has_weights(model):
        raise InvalidInput("weights_missing", model=model)
    name = model_ids.clip_name(model, pretrained)
    with transaction.atomic():
        vector_space.lock_columns(vector_space.active_space().name)
        rows = {row.column: row for row in VectorSpace.objects.select_for_update()}
        if rows[Column.SEARCHED].name == name:
            raise InvalidInput("model_already_searched", name=name)
        if secondary := rows.get(Column.SECONDARY):
            if secondary.name == name and secondary.state == State.BACKFILLING:
                return
            raise _conflict(secondary)
        VectorSpace.objects.create(
            column=Column.SECONDARY,
            name=name,
            model=model,
            pretrained=pretrained,
            state=State.BACKFILLING,
        )


def _conflict(secondary: VectorSpace) -> InvalidInput:
    if secondary.state == State.PURGING:
        return InvalidInput("vectors_being_deleted", name=secondary.name)
    state = gettext_lazy(State(secondary.state).label)
    return InvalidInput("other_model_present", name=secondary.name, state=state)


def cancel() -> None:
    """Stay with the searched model. Raises InvalidInput if no change is under way."""
    _set_state(State.BACKFILLING, State.PURGING, "no_model_change")


def roll_back() -> None:
    """Return to the previous model. Raises InvalidInput if its vectors do not exist."""
    _set_state(State.RETAINED, State.BACKFILLING, "no_previous_model")


def purge_previous() -> None:
    """Delete the previous model's vectors. Raises InvalidInput if there are none."""
    _set_state(State.RETAINED, State.PURGING, "no_previous_vectors")


def _set_state(before: State, after: State, error_code: str) -> None:
    rows = VectorSpace.objects.filter(column=Column.SECONDARY, state=before)
    changes = {"state": after, "since": timezone.now(), "last_batch_at": None, "note": ""}
    if not rows.update(**changes, accepted_losses=0):
        raise InvalidInput(error_code)


def retry_failed() -> None:
    """Retry the unreadable images. Raises InvalidInput if there is no second model."""
    rows = VectorSpace.objects.filter(
        column=Column.SECONDARY, state__in=[State.BACKFILLING, State.RETAINED]
    )
    if not rows.update(retry_rounds=F("retry_rounds") + 1, last_batch_at=None, note=""):
        raise InvalidInput("no_model_change")


def accept_losses() -> None:
    """Accept that as many images drop out of search as would do so now.

    Raises InvalidInput if the change does not wait for a decision.
    """
    progress = current_progress(fresh=True)
    if progress is None or not progress.needs_decision:
        raise InvalidInput("no_decision_needed")
    rows = VectorSpace.objects.filter(
        column=Column.SECONDARY, name=progress.secondary, state=State.BACKFILLING
    )
    rows.update(accepted_losses=progress.losses)


# --- Step by step -------------------------------------------------------------------------------


def advance() -> None:
    """Take the next step, if one is due. Safe to be called repeatedly and concurrently."""
    secondary = VectorSpace.objects.filter(column=Column.SECONDARY).first()
    if secondary is None:
        return
    if secondary.state == State.PURGING:
        _purge()
    elif secondary.state == State.BACKFILLING:
        _backfill_or_switch(secondary)
    elif _is_expired(secondary):
        purge_previous()
    elif _last_activity(secondary) < timezone.now() - RECHECK_INTERVAL:
        _queue_backfill(secondary)


def _is_expired(secondary: VectorSpace) -> bool:
    days = settings.AI_KEEP_DAYS
    return bool(days) and secondary.since < timezone.now() - timedelta(days=days)


def _last_activity(secondary: VectorSpace) -> datetime:
    return secondary.last_batch_at or secondary.since


def _backfill_or_switch(secondary: VectorSpace) -> None:
    if note := _missing_workers(secondary.name):
        _set_note(note)
        return
    progress = current_progress()
    if progress is None:
        return
    if progress.remaining:
        no_worker = gettext_noop("no running worker serves the queue `fill`")
        _set_note("" if _count_backfill_workers() else no_worker)
        is_stalled = _last_activity(secondary) < timezone.now() - STALL_TIMEOUT
        if (is_stalled or secondary.run == 0) and not queue.depth(BACKFILL):
            _queue_backfill(secondary)
    elif progress.needs_decision:
        decide = gettext_noop("pictures would drop out of search; retry, continue or cancel")
        _set_note(f"{decide}: {progress.losses}")
    else:
        _set_note(gettext_noop("the index of the new vectors is being built"))
        index.analyze_column(Column.SECONDARY.value)
        index.maintain(column=Column.SECONDARY.value)
        # Another thread may be building the other index, and a build may have taken long.
        if index.is_up_to_date(Column.SECONDARY.value) and _is_complete():
            _switch_over()


def _is_complete() -> bool:
    progress = current_progress(fresh=True)
    return progress is not None and not progress.remaining and not progress.needs_decision


def _missing_workers(name: str) -> str:
    """Return a note on which worker is missing: before the swap, each must have both models."""
    workers = ai.worker_states()
    if not any(INTERACTIVE in worker.queues for worker in workers):
        return gettext_noop("no running worker embeds search queries")
    for worker in workers:
        if not worker.has_clip(name):
            reasons = [other.error for other in worker.others if other.name == name]
            text = gettext_noop("a worker has not loaded it yet")
            return ": ".join([text, worker.name, *filter(None, reasons)])
    return ""


def _queue_backfill(secondary: VectorSpace) -> None:
    """Send the messages of a new run, unless another process has just done so."""
    row = VectorSpace.objects.filter(column=Column.SECONDARY, run=secondary.run)
    if row.update(run=F("run") + 1, last_batch_at=timezone.now()):
        queue.enqueue_backfill(secondary.run + 1, parts=max(1, _count_backfill_workers()))


def _count_backfill_workers() -> int:
    return sum(BACKFILL in worker.queues for worker in ai.worker_states())


def _set_note(text: str) -> None:
    """Store what the change is waiting for; pages translate the text up to the first colon."""
    VectorSpace.objects.filter(column=Column.SECONDARY).exclude(note=text).update(note=text)


def _switch_over() -> None:
    """Swap the names of the two columns and of their indexes, which changes only metadata.

    While a running search holds the table, this waits for LOCK_TIMEOUT, and new searches wait with
    it; then those run, and this tries again. Nobody waits while this waits for VACUUM, which works
    for minutes after all vectors have been written.
    """
    for _ in range(LOCK_TRIES):
        try:
            with transaction.atomic():
                searched = _swap_columns()
        except (OperationalError, Unavailable) as error:
            logger.info("Could not swap the columns yet: %s", error)
            sleep(PAUSE_SECONDS)
        else:
            logger.warning("Switched over: search now uses the vectors of %s", searched)
            # Embeddings of members are still in the previous space.
            send_task("search.tasks.learn_tastes")
            return
    _set_note(gettext_noop("the table of images is busy"))


def _swap_columns() -> str:
    with connection.cursor() as cursor:
        _set_lock_timeout(cursor, VACUUM_LOCK_TIMEOUT)
        cursor.execute("LOCK TABLE post_images IN SHARE UPDATE EXCLUSIVE MODE")
        _set_lock_timeout(cursor, LOCK_TIMEOUT)
        rows = {row.column: row for row in VectorSpace.objects.select_for_update()}
        searched, secondary = rows[Column.SEARCHED], rows.get(Column.SECONDARY)
        if secondary is None or secondary.state != State.BACKFILLING:
            return searched.name  # another process was faster
        index.swap_names()
        for suffix in ("", "_model"):
            first, second = f"{Column.SEARCHED}{suffix}", f"{Column.SECONDARY}{suffix}"
            for old, new in ((first, "spare"), (second, first), ("spare", second)):
                cursor.execute(f"ALTER TABLE post_images RENAME COLUMN {old} TO {new}")
    now = timezone.now()
    for column, row, state in (
        (Column.SEARCHED, secondary, State.ACTIVE),
        (Column.SECONDARY, searched, State.RETAINED),
    ):
        VectorSpace.objects.filter(column=column).update(
            name=row.name,
            model=row.model,
            pretrained=row.pretrained,
            state=state,
            since=now,
            last_batch_at=None,
            accepted_losses=0,
            note="",
        )
    return secondary.name


def _set_lock_timeout(cursor: CursorWrapper, seconds: float) -> None:
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{seconds}s"])


def _purge() -> None:
    """Empty the secondary column in batches, then drop its index and delete its row.

    Batches follow the primary key, because a scan from the start takes longer the less is left.
    """
    rows = PostImage.objects.exclude(next_embedding_model="")
    touched = PostImage.objects.filter(~Q(next_embedding_model="") | Q(fill_attempts__gt=0))
    batch = [UUID(int=0)]
    while batch:
        with transaction.atomic():
            following = touched.filter(pk__gt=batch[-1]).order_by("pk")
            free = following.select_for_update(skip_locked=True)  # by other processes that purge
            batch = list(free.values_list("pk", flat=True)[:PURGE_BATCH_SIZE])
            purged = PostImage.objects.filter(pk__in=batch)
            purged.update(next_embedding=None, next_embedding_model="", fill_attempts=0)
    if not index.drop(Column.SECONDARY.value):
        return  # it is still being built, and will be dropped by a later step
    purging = VectorSpace.objects.filter(column=Column.SECONDARY, state=State.PURGING)
    with transaction.atomic():
        row = purging.select_for_update().first()  # waits for writers that lock the column
        if row is not None and not rows.exists():
            row.delete()
