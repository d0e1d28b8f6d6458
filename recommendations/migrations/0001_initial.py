import django.db.models.deletion
import pgvector.django.vector
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Takes over the table that the app `search` created for its model `Taste`."""

    initial = True
    dependencies = [
        ("accounts", "0003_user_tokens_valid_from_survey"),
        ("search", "0004_move_user_embeddings"),
    ]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="UserEmbedding",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="user_embedding",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("forgotten_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "vector",
                            pgvector.django.vector.VectorField(
                                blank=True, dimensions=512, null=True
                            ),
                        ),
                        ("vector_model", models.CharField(blank=True, max_length=200)),
                        ("learned_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={"db_table": "tastes"},
                )
            ]
        )
    ]
