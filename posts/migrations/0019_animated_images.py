from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("posts", "0018_comment_request_digest")]

    operations = [
        migrations.AddField(
            model_name="postimage",
            name="is_animated",
            field=models.BooleanField(db_default=False, default=False),
        ),
        # Other stored files that are animated are few, and would have to be opened.
        migrations.RunSQL(
            "UPDATE post_images SET is_animated = true WHERE image_path LIKE '%.gif'",
            migrations.RunSQL.noop,
        ),
    ]
