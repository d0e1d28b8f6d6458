"""Moving the collection to another CLIP model while it is searched.

1 `start` notes the next model; workers load it beside the one that is searched. 2 Workers give
each image a vector of the next model, too; new uploads get both. 3 The index of the new vectors
is built beside. 4 The two columns change their names, between one moment and the next; only an
operator lets more than a few images leave the search by it. The former vectors are kept up to
date, so that `roll_back` is the same exchange, until `finish`.

The rows of `vector_spaces` and of the images are the truth: `advance` looks what is missing and
does the next step. The clock calls it, so that nothing is lost when a worker or a command ends.
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

STALL_TIMEOUT = timedelta(seconds=20)  # without a batch: the messages are lost, begin again
# At images that lack a vector of the former model: a look reads the whole table.
RECHECK_INTERVAL = timedelta(minutes=15)
LOCK_TIMEOUT, LOCK_TRIES = 0.25, 10  # searches wait for an exchange that waits this long
PAUSE_SECONDS = 1.0  # for those that waited
VACUUM_LOCK_TIMEOUT = (
    3.0  # longer than deadlock_timeout, after which VACUUM gives way to a waiting lock
)
PURGE_BATCH_SIZE = 2_000  # rows


def start(model: str, pretrained: str = "") -> None:
    """Has the collection move to a model: a preset's key, or open_clip's model and weights.

    The same call again changes nothing. Raises InvalidInput for the model that is searched, for
    a directory without weights, and while another model is beside the searched one.
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
        if beside := rows.get(Column.SECONDARY):
            if beside.name == name and beside.state == State.BACKFILLING:
                return
            raise _conflict_message(beside)
        VectorSpace.objects.create(
            column=Column.SECONDARY,
            name=name,
            model=model,
            pretrained=pretrained,
            state=State.BACKFILLING,
        )


def _conflict_message(beside: VectorSpace) -> InvalidInput:
    if beside.state == State.PURGING:
        return InvalidInput("vectors_being_deleted", name=beside.name)
    state = gettext_lazy(State(beside.state).label)
    return InvalidInput("other_model_present", name=beside.name, state=state)


def cancel() -> None:
    """Stays with the model that is searched. Raises InvalidInput when no change is under way."""
    _set_state(State.BACKFILLING, State.PURGING, "no_model_change")


def roll_back() -> None:
    """Goes back to the former model. Raises InvalidInput when its vectors are not there."""
    _set_state(State.RETAINED, State.BACKFILLING, "no_previous_model")


def purge_previous() -> None:
    """Gives up the former model's vectors. Raises InvalidInput when there are none."""
    _set_state(State.RETAINED, State.PURGING, "no_previous_vectors")


def _set_state(before: State, after: State, otherwise: str) -> None:
    rows = VectorSpace.objects.filter(column=Column.SECONDARY, state=before)
    changed = {"state": after, "since": timezone.now(), "last_batch_at": None, "note": ""}
    if not rows.update(**changed, accepted_losses=0):
        raise InvalidInput(otherwise)


def retry_failed() -> None:
    """Has images tried again that could not be read. Raises InvalidInput without another model."""
    rows = VectorSpace.objects.filter(
        column=Column.SECONDARY, state__in=[State.BACKFILLING, State.RETAINED]
    )
    if not rows.update(retry_rounds=F("retry_rounds") + 1, last_batch_at=None, note=""):
        raise InvalidInput("no_model_change")


def accept_losses() -> None:
    """Lets go as many images as would leave the search now.

    Raises InvalidInput when the change waits for something else.
    """
    found = current_progress(fresh=True)
    if found is None or not found.is_stuck:
        raise InvalidInput("no_decision_needed")
    rows = VectorSpace.objects.filter(
        column=Column.SECONDARY, name=found.beside, state=State.BACKFILLING
    )
    rows.update(accepted_losses=found.leaving)


# --- Step by step -----------------------------------------------------------------------------


def advance() -> None:
    """Does the next step, if one is due. Safe to be called by several at once, and again."""
    beside = VectorSpace.objects.filter(column=Column.SECONDARY).first()
    if beside is None:
        return
    if beside.state == State.PURGING:
        _purge()
    elif beside.state == State.BACKFILLING:
        _backfill_or_switch(beside)
    elif _expired(beside):
        purge_previous()
    elif _last_work(beside) < timezone.now() - RECHECK_INTERVAL:
        _queue_backfill(beside)


def _expired(beside: VectorSpace) -> bool:
    days = settings.AI_KEEP_DAYS
    return bool(days) and beside.since < timezone.now() - timedelta(days=days)


def _last_work(beside: VectorSpace) -> datetime:
    return beside.last_batch_at or beside.since


def _backfill_or_switch(beside: VectorSpace) -> None:
    if waits_for := _missing_workers(beside.name):
        _set_note(waits_for)
        return
    found = current_progress()
    if found is None:
        return
    if found.left:
        idle = gettext_noop("no worker that serves the queue `fill` is alive")
        _set_note("" if _count_backfill_workers() else idle)
        silent = _last_work(beside) < timezone.now() - STALL_TIMEOUT
        if (silent or beside.run == 0) and not queue.depth(BACKFILL):
            _queue_backfill(beside)
    elif found.is_stuck:
        decide = gettext_noop("pictures would leave the search; try again, go on or cancel")
        _set_note(f"{decide}: {found.leaving}")
    else:
        _set_note(gettext_noop("the index of the new vectors is being built"))
        index.analyze_column(Column.SECONDARY.value)
        index.maintain(column=Column.SECONDARY.value)
        # Another thread may be building the other index; and building may have taken long.
        if index.is_up_to_date(Column.SECONDARY.value) and _is_complete():
            _switch_over()


def _is_complete() -> bool:
    found = current_progress(fresh=True)
    return found is not None and not found.left and not found.is_stuck


def _missing_workers(name: str) -> str:
    """Which worker the exchange waits for, in words: each must know both models by then."""
    workers = ai.worker_states()
    if not any(INTERACTIVE in worker.queues for worker in workers):
        return gettext_noop("no worker that answers searches is alive")
    for worker in workers:
        if not worker.has_clip(name):
            reasons = [other.error for other in worker.others if other.name == name]
            text = gettext_noop("a worker has not loaded it yet")
            return ": ".join([text, worker.name, *filter(None, reasons)])
    return ""


def _queue_backfill(beside: VectorSpace) -> None:
    """Sends the messages of a new run; whoever is second in doing so sends none."""
    row = VectorSpace.objects.filter(column=Column.SECONDARY, run=beside.run)
    if row.update(run=F("run") + 1, last_batch_at=timezone.now()):
        queue.enqueue_backfill(beside.run + 1, parts=max(1, _count_backfill_workers()))


def _count_backfill_workers() -> int:
    return sum(BACKFILL in worker.queues for worker in ai.worker_states())


def _set_note(text: str) -> None:
    """text: what the change waits for, and after a colon what nobody translates."""
    VectorSpace.objects.filter(column=Column.SECONDARY).exclude(note=text).update(note=text)


def _switch_over() -> None:
    """The searched column and the one beside it change their names, with their indexes.

    Metadata only. A search that holds the table makes this wait LOCK_SECONDS at most, and
    other searches with it; then those go on and this tries again. Nobody waits while this waits
    for VACUUM, which is at work for minutes after all vectors were written.
    """
    for _ in range(LOCK_TRIES):
        try:
            with transaction.atomic():
                searched = _swap_columns()
        except (OperationalError, Unavailable) as error:
            logger.info("The exchange waits: %s", error)
            sleep(PAUSE_SECONDS)
        else:
            logger.warning("Searches go by the vectors of %s from now on", searched)
            # Embeddings of members in the former space can be compared with nobody's.
            send_task("search.tasks.learn_tastes")
            return
    _set_note(gettext_noop("the table of the images is busy"))


def _swap_columns() -> str:
    with connection.cursor() as cursor:
        _set_lock_timeout(cursor, VACUUM_LOCK_TIMEOUT)
        cursor.execute("LOCK TABLE post_images IN SHARE UPDATE EXCLUSIVE MODE")
        _set_lock_timeout(cursor, LOCK_TIMEOUT)
        rows = {row.column: row for row in VectorSpace.objects.select_for_update()}
        searched, beside = rows[Column.SEARCHED], rows.get(Column.SECONDARY)
        if beside is None or beside.state != State.BACKFILLING:
            return searched.name  # someone was faster
        index.swap_names()
        for suffix in ("", "_model"):
            first, second = f"{Column.SEARCHED}{suffix}", f"{Column.SECONDARY}{suffix}"
            for old, new in ((first, "spare"), (second, first), ("spare", second)):
                cursor.execute(f"ALTER TABLE post_images RENAME COLUMN {old} TO {new}")
    now = timezone.now()
    for column, row, state in (
        (Column.SEARCHED, beside, State.ACTIVE),
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
    return beside.name


def _set_lock_timeout(cursor: CursorWrapper, seconds: float) -> None:
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{seconds}s"])


def _purge() -> None:
    """Empties the column beside, batch by batch; at last its row goes, and its index.

    By primary key: to look for what is left from the start takes the longer the less that is.
    """
    rows = PostImage.objects.exclude(next_embedding_model="")
    touched = PostImage.objects.filter(~Q(next_embedding_model="") | Q(fill_attempts__gt=0))
    batch = [UUID(int=0)]
    while batch:
        with transaction.atomic():
            following = touched.filter(pk__gt=batch[-1]).order_by("pk")
            free = following.select_for_update(skip_locked=True)  # of others who clear
            batch = list(free.values_list("pk", flat=True)[:PURGE_BATCH_SIZE])
            cleared = PostImage.objects.filter(pk__in=batch)
            cleared.update(next_embedding=None, next_embedding_model="", fill_attempts=0)
    if not index.drop(Column.SECONDARY.value):
        return  # one was being built when the change was cancelled: it goes when it is there
    leaving = VectorSpace.objects.filter(column=Column.SECONDARY, state=State.PURGING)
    with transaction.atomic():
        row = leaving.select_for_update().first()  # after who still held the column
        if row is not None and not rows.exists():
            row.delete()
