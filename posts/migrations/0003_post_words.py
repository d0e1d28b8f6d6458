"""The search document of each post, maintained by triggers (ADR 5).

A change of the searched fields needs a new migration.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

MARKS = (
    "\u0300\u0301\u0302\u0303\u0304\u0306\u0308\u0309\u030a\u030b\u030c\u031b\u0323\u0327\u0328"
)

# Truncated, because PostgreSQL refuses search documents of more than 1 MB, and so the write.
FUNCTIONS = f"""
CREATE FUNCTION folded_words(written text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('simple'::regconfig, regexp_replace(
        translate(normalize(lower(left(written, 60000)), NFD), 'đĐ{MARKS}', 'dd'),
        '[^[:alnum:]]+', ' ', 'g'
    ))
$$;

CREATE FUNCTION words_about(post posts) RETURNS tsvector LANGUAGE sql STABLE AS $$
    SELECT folded_words(concat_ws(
        ' ', post.title, post.description, array_to_string(post.tags, ' '),
        (SELECT name FROM categories WHERE id = post.category_id),
        (SELECT concat_ws(' ', first_name, last_name) FROM users WHERE id = post.user_id),
        (SELECT string_agg(concat_ws(' ', ai_caption, user_caption, caption), ' ')
         FROM post_images WHERE post_id = post.id)
    ))
$$;

CREATE FUNCTION renew_words(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Locked by one statement and read by the next, which sees what another transaction wrote
    -- until it let the lock go.
    PERFORM 1 FROM post_words WHERE post_id = ANY(ids) ORDER BY post_id FOR UPDATE;
    UPDATE post_words SET document = words_about(posts) FROM posts
    WHERE posts.id = post_words.post_id AND post_id = ANY(ids);
END $$;

CREATE FUNCTION posts_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO post_words (post_id, document)
    SELECT posts.id, words_about(posts) FROM posts JOIN added USING (id);
    RETURN NULL;
END $$;

CREATE FUNCTION post_rewritten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM renew_words(ARRAY[NEW.id]);
    RETURN NULL;
END $$;

CREATE FUNCTION images_added_or_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM renew_words(ARRAY(
        SELECT DISTINCT post_id FROM changed
        WHERE concat(ai_caption, user_caption, caption) <> ''
    ));
    RETURN NULL;
END $$;

CREATE FUNCTION image_rewritten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM renew_words(ARRAY[OLD.post_id, NEW.post_id]);
    RETURN NULL;
END $$;

CREATE FUNCTION author_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM renew_words(ARRAY(SELECT id FROM posts WHERE user_id = NEW.id));
    RETURN NULL;
END $$;

CREATE FUNCTION category_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM renew_words(ARRAY(SELECT id FROM posts WHERE category_id = NEW.id));
    RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER posts_added AFTER INSERT ON posts REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION posts_added();
CREATE TRIGGER post_rewritten
    AFTER UPDATE OF title, description, tags, category_id, user_id ON posts FOR EACH ROW
    WHEN ((OLD.title, OLD.description, OLD.tags, OLD.category_id, OLD.user_id)
        IS DISTINCT FROM (NEW.title, NEW.description, NEW.tags, NEW.category_id, NEW.user_id))
    EXECUTE FUNCTION post_rewritten();
CREATE TRIGGER images_added AFTER INSERT ON post_images REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION images_added_or_removed();
CREATE TRIGGER images_removed AFTER DELETE ON post_images REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION images_added_or_removed();
CREATE TRIGGER image_rewritten
    AFTER UPDATE OF post_id, ai_caption, user_caption, caption ON post_images FOR EACH ROW
    WHEN ((OLD.post_id, OLD.ai_caption, OLD.user_caption, OLD.caption)
        IS DISTINCT FROM (NEW.post_id, NEW.ai_caption, NEW.user_caption, NEW.caption))
    EXECUTE FUNCTION image_rewritten();
CREATE TRIGGER author_renamed AFTER UPDATE OF first_name, last_name ON users FOR EACH ROW
    WHEN ((OLD.first_name, OLD.last_name) IS DISTINCT FROM (NEW.first_name, NEW.last_name))
    EXECUTE FUNCTION author_renamed();
CREATE TRIGGER category_renamed AFTER UPDATE OF name ON categories FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name)
    EXECUTE FUNCTION category_renamed();
"""

FILL = "INSERT INTO post_words (post_id, document) SELECT id, words_about(posts) FROM posts;"

UNDO = """
DROP TRIGGER posts_added ON posts;
DROP TRIGGER post_rewritten ON posts;
DROP TRIGGER images_added ON post_images;
DROP TRIGGER images_removed ON post_images;
DROP TRIGGER image_rewritten ON post_images;
DROP TRIGGER author_renamed ON users;
DROP TRIGGER category_renamed ON categories;
DROP FUNCTION posts_added, post_rewritten, images_added_or_removed, image_rewritten,
    author_renamed, category_renamed, renew_words, words_about, folded_words;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_user_tokens_valid_from_survey"),
        ("posts", "0002_activity_comment_like_savedpost"),
    ]

    operations = [
        migrations.CreateModel(
            name="PostWords",
            fields=[
                (
                    "post",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="words",
                        serialize=False,
                        to="posts.post",
                    ),
                ),
                ("document", django.contrib.postgres.search.SearchVectorField()),
            ],
            options={"db_table": "post_words"},
        ),
        migrations.RunSQL(FUNCTIONS + TRIGGERS + FILL, UNDO),
        # Built after the rows are inserted, which is many times faster.
        migrations.AddIndex(
            model_name="postwords",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["document"], name="idx_post_words_document"
            ),
        ),
    ]
