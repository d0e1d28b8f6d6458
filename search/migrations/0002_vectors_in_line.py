from django.db import migrations

# A vector takes 2,056 bytes, and PostgreSQL moves it out of rows above 2 kB: each comparison would
# then read three more pages. Rows written before stay as they are until they are written anew
# (VACUUM FULL post_images). ADR 9.
INLINE = "ALTER TABLE post_images SET (toast_tuple_target = 8160)"
OUT_OF_LINE = "ALTER TABLE post_images RESET (toast_tuple_target)"


class Migration(migrations.Migration):
    dependencies = [
        ("search", "0001_recall"),
        ("posts", "0005_vectors_hashes_and_colors"),
    ]
    operations = [migrations.RunSQL(INLINE, OUT_OF_LINE)]
