"""Standard names and help texts in Python. The database stays as it is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("search", "0004_move_user_embeddings")]

    operations = [
        migrations.RenameModel("SearchEffort", "ProbeFactor"),
        migrations.AlterField(
            model_name="probefactor",
            name="effort",
            field=models.FloatField(db_column="effort", default=1.0),
        ),
        migrations.RenameField("probefactor", "effort", "factor"),
        migrations.AlterField(
            model_name="recallmeasurement",
            name="lists",
            field=models.IntegerField(default=0, help_text="Of ivfflat"),
        ),
        migrations.AlterField(
            model_name="recallmeasurement",
            name="probes",
            field=models.IntegerField(
                help_text="Lists probed by a search; with HNSW, candidates (ef_search)"
            ),
        ),
        migrations.AlterField(
            model_name="recallmeasurement",
            name="recall",
            field=models.FloatField(
                help_text="0 to 1; empty if not measured", null=True, verbose_name="recall@20"
            ),
        ),
    ]
