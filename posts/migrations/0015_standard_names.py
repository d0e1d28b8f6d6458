"""Rename a model and fields in Python, and reword help texts. The database stays as it is."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("posts", "0014_state_of_both_models")]

    operations = [
        migrations.RenameModel("PostWords", "PostSearchDocument"),
        migrations.AlterField(
            model_name="postsearchdocument",
            name="post",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                primary_key=True,
                related_name="search_document",
                serialize=False,
                to="posts.post",
            ),
        ),
        migrations.AlterField(
            model_name="post",
            name="open_fields",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=20),
                blank=True,
                db_column="open_fields",
                default=list,
                size=None,
                verbose_name="fields the AI may fill in",
            ),
        ),
        migrations.RenameField("post", "open_fields", "ai_writable_fields"),
        migrations.AlterField(
            model_name="postimage",
            name="ai_status",
            field=models.CharField(
                choices=[
                    ("pending", "waiting"),
                    ("embedded", "searchable, caption pending"),
                    ("done", "done"),
                    ("failed", "failed"),
                ],
                default="pending",
                max_length=10,
                verbose_name="AI state",
            ),
        ),
        migrations.AlterField(
            model_name="postimage",
            name="colors",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=20),
                blank=True,
                help_text="Color names, largest area first",
                null=True,
                size=None,
            ),
        ),
        migrations.AlterField(
            model_name="postimage",
            name="fill_attempts",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="Attempts to compute the vector of the secondary column",
            ),
        ),
        migrations.AlterField(
            model_name="postimage",
            name="perceptual_hash",
            field=models.BigIntegerField(
                blank=True,
                help_text="64-bit hash; similar pictures differ in few bits",
                null=True,
            ),
        ),
    ]
