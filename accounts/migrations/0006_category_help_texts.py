from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_prefix_bcrypt_hashes")]

    operations = [
        migrations.AlterField(
            model_name="category",
            name="prompt",
            field=models.CharField(
                help_text="Describe an image of this category in English."
                " Separate several texts by semicolons.",
                max_length=200,
            ),
        ),
        migrations.AlterField(
            model_name="category",
            name="prompt_vi",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The same in Vietnamese, for models that understand it."
                " Default: the category's name.",
                max_length=200,
                verbose_name="prompt in Vietnamese",
            ),
        ),
    ]
