from django.db import migrations


class Migration(migrations.Migration):
    """The table `tastes` now belongs to the app `recommendations`. The table itself stays."""

    dependencies = [("search", "0003_taste")]
    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("Taste")])
    ]
