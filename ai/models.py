"""The vector space that the collection is in, and the one that it moves to."""

from django.db import models


class Column(models.TextChoices):
    """The vector columns of post_images. Search always reads `embedding`."""

    SEARCHED = "embedding"
    SECONDARY = "next_embedding"


class State(models.TextChoices):
    ACTIVE = "active", "searched"
    BACKFILLING = "coming", "being computed, then searched"
    RETAINED = "kept", "the previous model, kept up to date for a rollback"
    PURGING = "leaving", "being deleted"


class VectorSpace(models.Model):
    """A vector column and the model whose vectors it holds; at most two rows.

    Without a row, the settings name the model; the first vector that a worker stores creates the
    row. A transaction that stores vectors locks these rows FOR KEY SHARE, the one that swaps the
    columns FOR UPDATE, so that a vector never lands in the other model's column.
    """

    column = models.CharField(max_length=20, primary_key=True, choices=Column.choices)
    name = models.CharField(max_length=200, help_text="As stored with each vector")
    model = models.CharField(max_length=500, help_text="As in SMIMSO_CLIP_MODEL")
    pretrained = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State.choices)
    since = models.DateTimeField(auto_now_add=True, help_text="Start of the current state")
    # Only while a space is being backfilled.
    run = models.PositiveIntegerField(
        default=0, help_text="Number of the current backfill; batches of earlier ones stop"
    )
    last_batch_at = models.DateTimeField(null=True, db_column="worked_at")
    note = models.TextField(blank=True, help_text="What the change is waiting for")
    retry_rounds = models.PositiveSmallIntegerField(
        default=1, db_column="rounds", help_text="Rounds of attempts at unreadable images"
    )
    accepted_losses = models.PositiveIntegerField(
        default=0,
        db_column="accepted",
        help_text="Images that may drop out of search, as decided by an operator",
    )

    class Meta:
        db_table = "vector_spaces"
        verbose_name = "search model"
        verbose_name_plural = "search models"
        permissions = [("change_model", "Can change the search model")]

    def __str__(self) -> str:
        return self.name
