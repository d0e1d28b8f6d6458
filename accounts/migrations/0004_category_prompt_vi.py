from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_user_tokens_valid_from_survey")]

    operations = [
        migrations.AlterField(
            model_name="category",
            name="prompt",
            field=models.CharField(
                help_text="What an image of this category shows, in English; semicolons part texts.",
                max_length=200,
            ),
        ),
        migrations.AddField(
            model_name="category",
            name="prompt_vi",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The same for models that understand it;"
                " left blank, the category's name.",
                max_length=200,
                verbose_name="prompt in Vietnamese",
            ),
        ),
    ]
