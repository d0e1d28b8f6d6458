from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("posts", "0013_weighted_words")]

    operations = [
        migrations.RemoveIndex("postimage", "idx_post_images_ai_state"),
        migrations.AddIndex(
            "postimage",
            models.Index(
                fields=["ai_status", "caption_model", "embedding_model", "next_embedding_model"],
                name="idx_post_images_ai_state",
            ),
        ),
    ]
