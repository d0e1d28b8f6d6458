"""Plain names and labels in Python; columns and stored values stay, so there is no SQL."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("ai", "0002_images_that_cannot_be_read")]

    state_operations = [
        migrations.AlterModelOptions(
            name="vectorspace",
            options={
                "verbose_name": "search model",
                "verbose_name_plural": "search models",
                "permissions": [("change_model", "Can change the search model")],
            },
        ),
        migrations.RenameField("vectorspace", "worked_at", "last_batch_at"),
        migrations.RenameField("vectorspace", "rounds", "retry_rounds"),
        migrations.RenameField("vectorspace", "accepted", "accepted_losses"),
        migrations.AlterField(
            model_name="vectorspace",
            name="last_batch_at",
            field=models.DateTimeField(db_column="worked_at", null=True),
        ),
        migrations.AlterField(
            model_name="vectorspace",
            name="retry_rounds",
            field=models.PositiveSmallIntegerField(
                db_column="rounds",
                default=1,
                help_text="Rounds of attempts at unreadable images",
            ),
        ),
        migrations.AlterField(
            model_name="vectorspace",
            name="accepted_losses",
            field=models.PositiveIntegerField(
                db_column="accepted",
                default=0,
                help_text="Images that may drop out of search, as decided by an operator",
            ),
        ),
        migrations.AlterField(
            model_name="vectorspace",
            name="column",
            field=models.CharField(
                choices=[("embedding", "Searched"), ("next_embedding", "Secondary")],
                max_length=20,
                primary_key=True,
                serialize=False,
            ),
        ),
        migrations.AlterField(
            model_name="vectorspace",
            name="name",
            field=models.CharField(help_text="As stored with each vector", max_length=200),
        ),
        migrations.AlterField(
            model_name="vectorspace",
            name="note",
            field=models.TextField(blank=True, help_text="What the change is waiting for"),
        ),
        migrations.AlterField(
            model_name="vectorspace",
            name="run",
            field=models.PositiveIntegerField(
                default=0, help_text="Number of the current backfill; batches of earlier ones stop"
            ),
        ),
        migrations.AlterField(
            model_name="vectorspace",
            name="since",
            field=models.DateTimeField(auto_now_add=True, help_text="Start of the current state"),
        ),
        migrations.AlterField(
            model_name="vectorspace",
            name="state",
            field=models.CharField(
                choices=[
                    ("active", "searched"),
                    ("coming", "being computed, then searched"),
                    ("kept", "the previous model, kept up to date for a rollback"),
                    ("leaving", "being deleted"),
                ],
                max_length=10,
            ),
        ),
    ]

    operations = [migrations.SeparateDatabaseAndState(state_operations=state_operations)]
