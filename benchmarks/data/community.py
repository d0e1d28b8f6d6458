"""A synthetic community, stored in the tables in seconds and identical at every run."""

import random
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

import psycopg

MEMBERS = 2_000
VIEWER = 0  # index of the member that sends the requests and follows about 50
_SYLLABLES = [first + second for first in "bdfghklmnprst" for second in "aeiou"]
_WORDS = ["đêm", "Huế", "phở", "biển", "harbour", "sunset", "market", "mountain"]
_FIRST_NAMES = ["Linh", "Minh", "Anh", "Hoa", "Nam", "Emma", "Noah", "Mia", "Leo", "Ida"]
_LAST_NAMES = ["Nguyễn", "Trần", "Lê", "Phạm", "Võ", "Meyer", "Silva", "Rossi", "Novak", "Khan"]


class Community:
    def __init__(self, database: str, *, seed: int = 1) -> None:
        self._connection = psycopg.connect(database, autocommit=True)
        self._random = random.Random(seed)
        self._started = datetime.now(UTC)
        self.members = [self._make_uuid() for _ in range(MEMBERS)]
        self.posts: list[UUID] = []
        self.public: list[UUID] = []
        artificial = [first + second for first in _SYLLABLES for second in _SYLLABLES]
        self._random.shuffle(artificial)
        self._vocabulary = _WORDS + artificial
        # Zipf's law, as in natural language, with an offset of 20.
        self._frequencies = list(
            accumulate(1 / (rank + 20) for rank in range(len(self._vocabulary)))
        )
        self._categories = self._fetch_column("SELECT id FROM categories ORDER BY name")
        self._add_members()

    def grow(self, posts: int) -> None:
        """Add posts until there are `posts`, with their images, likes, comments and counters."""
        first = len(self.posts)
        self.posts += [self._make_uuid() for _ in range(first, posts)]
        with self._connection.transaction():
            # The statements below do the work of the triggers once for all rows.
            self._connection.execute("SET LOCAL session_replication_role = replica")
            self._write_posts(first)
            for statement in (_LIKES, _COMMENTS, _COUNTERS, _SEARCHABLE):
                self._connection.execute(statement, {"first": first, "members": MEMBERS})
        self._connection.execute("VACUUM (ANALYZE)")

    def count_rows(self) -> dict[str, int]:
        tables = ("users", "posts", "post_images", "likes", "comments", "follows")
        return {table: self._fetch_column(f"SELECT count(*) FROM {table}")[0] for table in tables}

    def sample_words(self) -> list[str]:
        """Return search words from frequent to rare."""
        return [self._vocabulary[rank] for rank in (1, 20, 100, 300, 900, 1500, 2500, 3300)]

    def _make_uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _fetch_column(self, query: str) -> list[Any]:
        return [row[0] for row in self._connection.execute(query).fetchall()]

    def _make_text(self, words: int) -> str:
        return " ".join(
            self._random.choices(self._vocabulary, cum_weights=self._frequencies, k=words)
        )

    def _copy(self, table: str, rows: list[dict[str, Any]]) -> None:
        columns = ", ".join(rows[0])
        with self._connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(list(row.values()))

    def _add_members(self) -> None:
        rows = [
            {
                "id": member,
                "email": f"member-{number}@example.test",
                "password_hash": "!",
                "first_name": self._random.choice(_FIRST_NAMES),
                "last_name": self._random.choice(_LAST_NAMES),
                "auth_provider": "credential",
                **dict.fromkeys(("is_verified", "is_active"), True),
                **dict.fromkeys(("is_staff", "is_superuser"), False),
                **dict.fromkeys(("created_at", "updated_at"), self._started),
            }
            for number, member in enumerate(self.members)
        ]
        self._copy("users", rows)
        self._connection.execute(
            "CREATE TEMP TABLE member AS SELECT id, (ordinality - 1)::int AS number"
            " FROM unnest(%s::uuid[]) WITH ORDINALITY AS listed(id, ordinality)",
            [self.members],
        )
        self._connection.execute(_FOLLOWS, {"members": MEMBERS, "viewer": VIEWER})
        self._connection.execute("CREATE TEMP TABLE post (id uuid PRIMARY KEY, number int)")

    def _write_posts(self, first: int) -> None:
        numbers = range(first, len(self.posts))
        self._copy("post", [{"id": self.posts[n], "number": n} for n in numbers])
        self._copy("posts", [self._make_post(n) for n in numbers])
        images = [self._make_image(n, order) for n in numbers for order in range(1 + (n % 10 < 3))]
        self._copy("post_images", images)

    def _make_post(self, number: int) -> dict[str, Any]:
        moment = self._started - timedelta(minutes=5 * self._random.randrange(100_000))
        (visibility,) = self._random.choices(["public", "friends", "private"], [80, 12, 8])
        if visibility == "public":
            self.public.append(self.posts[number])
        return {
            "id": self.posts[number],
            "user_id": self._random.choice(self.members),
            "title": self._make_text(4),
            "description": self._make_text(15),
            "category_id": self._random.choice(self._categories),
            "tags": self._make_text(3).split(),
            "visibility": visibility,
            **dict.fromkeys(("view_count", "like_count", "comment_count"), 0),
            "caption": self._make_text(6),
            "open_fields": [],
            **dict.fromkeys(("created_at", "updated_at"), moment),
        }

    def _make_image(self, number: int, order: int) -> dict[str, Any]:
        image = self._make_uuid()
        return {
            "id": image,
            "post_id": self.posts[number],
            "image_url": f"/uploads/posts/{image}.jpg",
            "image_path": f"posts/{image}.jpg",
            **{"width": 1600, "height": 1200, "file_size": 400_000, "checksum": ""},
            "placeholder": f"data:image/webp;base64,{'A' * 160}",
            "ai_caption": self._make_text(6),
            **{
                "embedding_model": "",
                "next_embedding_model": "",
                "caption_model": "",
                "ai_status": "done",
                "ai_error": "",
            },
            **{"ai_attempts": 0, "fill_attempts": 0},
            **{"display_order": order, "created_at": self._started},
        }


# A member follows the 15 next ones and the 5 before, which makes 10 pairs of friends.
_FOLLOWS = """
    WITH pairs AS (
        SELECT number, (number + step + %(members)s) %% %(members)s AS other
        FROM member, generate_series(-5, 15) AS step WHERE step <> 0
        UNION
        SELECT %(viewer)s, 100 + 7 * step FROM generate_series(1, 30) AS step
    )
    INSERT INTO follows (id, follower_id, following_id, created_at)
    SELECT gen_random_uuid(), follower.id, followed.id, now() - random() * interval '1 year'
    FROM pairs JOIN member AS follower USING (number)
    JOIN member AS followed ON followed.number = pairs.other
"""
# Each hundredth post has 505 likes and 102 comments, the others 5 and 2: on average 10 and 3.
_LIKES = """
    INSERT INTO likes (id, user_id, post_id, created_at)
    SELECT gen_random_uuid(), member.id, post.id, now() - random() * interval '1 year'
    FROM post CROSS JOIN
        generate_series(1, CASE WHEN post.number %% 100 = 0 THEN 505 ELSE 5 END) AS step
    JOIN member ON member.number = (37 * post.number + step) %% %(members)s
    WHERE post.number >= %(first)s
"""
_COMMENTS = """
    INSERT INTO comments (id, user_id, post_id, content, created_at, updated_at)
    SELECT gen_random_uuid(), member.id, post.id, 'What a place, number ' || step, now(), now()
    FROM post CROSS JOIN
        generate_series(1, CASE WHEN post.number %% 100 = 0 THEN 102 ELSE 2 END) AS step
    JOIN member ON member.number = (41 * post.number + step) %% %(members)s
    WHERE post.number >= %(first)s
"""
_COUNTERS = """
    UPDATE posts SET
        like_count = (SELECT count(*) FROM likes WHERE likes.post_id = posts.id),
        comment_count = (SELECT count(*) FROM comments WHERE comments.post_id = posts.id)
    WHERE id IN (SELECT id FROM post WHERE number >= %(first)s)
"""
_SEARCHABLE = """
    INSERT INTO post_words (post_id, document)
    SELECT posts.id, words_about(posts) FROM posts JOIN post USING (id)
    WHERE post.number >= %(first)s
"""
