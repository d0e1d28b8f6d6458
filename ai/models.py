"""In which vector space the collection is, and beside it the one that it moves to."""

from django.db import models


class Column(models.TextChoices):
    """The columns of post_images. What is searched is always in `embedding`."""

    SEARCHED = "embedding"
    BESIDE = "next_embedding"


class State(models.TextChoices):
    ACTIVE = "active", "searched"
    COMING = "coming", "being filled, then searched"
    KEPT = "kept", "the former one, kept up to date for a way back"
    LEAVING = "leaving", "being cleared away"


class VectorSpace(models.Model):
    """A column of vectors and the model that made them; at most two rows.

    No row: the settings name the model. The first vector that a worker writes makes the row.
    Whoever writes vectors holds FOR KEY SHARE on these rows until its transaction ends; whoever
    exchanges the columns holds FOR UPDATE. Thus a vector never lands in the other one's column.
    """

    column = models.CharField(max_length=20, primary_key=True, choices=Column.choices)
    name = models.CharField(max_length=200, help_text="As stored beside each vector")
    model = models.CharField(max_length=500, help_text="As in SMIMSO_CLIP_MODEL")
    pretrained = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State.choices)
    since = models.DateTimeField(auto_now_add=True, help_text="in this column and state")
    # Of a space that is being filled.
    run = models.PositiveIntegerField(default=0, help_text="of its batches; older ones stop")
    worked_at = models.DateTimeField(null=True, help_text="the last batch of vectors")
    note = models.TextField(blank=True, help_text="what it waits for")
    rounds = models.PositiveSmallIntegerField(
        default=1, help_text="of attempts at images that can't be read"
    )
    accepted = models.PositiveIntegerField(
        default=0, help_text="images that may leave the search, as an operator said"
    )

    class Meta:
        db_table = "vector_spaces"
        verbose_name = "model of the search"
        verbose_name_plural = "model of the search"
        permissions = [("change_model", "Can change the model of the search")]

    def __str__(self) -> str:
        return self.name
