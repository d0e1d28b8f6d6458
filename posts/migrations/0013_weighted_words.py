"""Weights of the words of a post: A title, B tags, C descriptions, D names."""

from django.db import migrations

# Truncated to 60,000 characters in all, as in migration 0003.
WEIGHTED = """
CREATE OR REPLACE FUNCTION words_about(post posts) RETURNS tsvector LANGUAGE sql STABLE AS $$
    SELECT setweight(folded_words(left(post.title, 3000)), 'A')
        || setweight(folded_words(left(coalesce(array_to_string(post.tags, ' '), ''), 5000)), 'B')
        || setweight(folded_words(left(concat_ws(' ', post.description, (
            SELECT string_agg(concat_ws(' ', ai_caption, user_caption, caption), ' ')
            FROM post_images WHERE post_id = post.id
        )), 50000)), 'C')
        || setweight(folded_words(left(concat_ws(' ',
            (SELECT name FROM categories WHERE id = post.category_id),
            (SELECT concat_ws(' ', first_name, last_name) FROM users WHERE id = post.user_id)
        ), 2000)), 'D')
$$;
"""

AS_BEFORE = """
CREATE OR REPLACE FUNCTION words_about(post posts) RETURNS tsvector LANGUAGE sql STABLE AS $$
    SELECT folded_words(concat_ws(
        ' ', post.title, post.description, array_to_string(post.tags, ' '),
        (SELECT name FROM categories WHERE id = post.category_id),
        (SELECT concat_ws(' ', first_name, last_name) FROM users WHERE id = post.user_id),
        (SELECT string_agg(concat_ws(' ', ai_caption, user_caption, caption), ' ')
         FROM post_images WHERE post_id = post.id)
    ))
$$;
"""

# The index is dropped and built again, which is many times faster than updating it row by row.
REFILL = """
DROP INDEX IF EXISTS idx_post_words_document;
UPDATE post_words SET document = words_about(posts) FROM posts WHERE posts.id = post_id;
CREATE INDEX idx_post_words_document ON post_words USING gin (document);
"""


class Migration(migrations.Migration):
    dependencies = [("posts", "0012_images_by_time")]

    operations = [migrations.RunSQL(WEIGHTED + REFILL, AS_BEFORE + REFILL)]
