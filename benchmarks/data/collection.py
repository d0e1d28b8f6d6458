"""A synthetic collection of images: a million posts with vectors, stored with COPY in minutes.

Vectors are distributed like those of CLIP: all images in a narrow cone (unrelated ones at a cosine
of about 0.5), in clusters of uneven size, each with few effective dimensions. Texts lie in a second
cone and have a cosine of 0.2 to 0.35 to the images that they describe.

Titles, tags and captions consist of artificial words, a few of which occur in one of ten posts and
most in hardly any (Zipf and Mandelbrot's law, with an offset that suits content words).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import psycopg

DIMENSIONS = 512
MODEL = "benchmark/clip"
AUTHORS = 1_000
ROWS_PER_CLUSTER, THEMES = 250, 100
BLOCK = 20_000  # rows that are generated and stored at once
# Lengths of the components of a vector: cone, cluster and individual part.
CONE, CLUSTER, OWN = 1.0, 0.8, 0.5
TEXT_CONTENT = 0.45  # component that an image's text shares with it; its cone has length 1
TAG_ONE_IN = 100
TITLE, TAGS, CAPTION = slice(0, 3), slice(3, 5), slice(5, 10)  # of a post's words
WORDS, RANK_OFFSET = 20_000, 10
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_PLACEHOLDER = f"data:image/webp;base64,{'A' * 160}"


class Block(NamedTuple):
    """Rows `first` to `first + len(vectors)`; all arrays are by row."""

    first: int
    vectors: np.ndarray  # float32 [n, 512] of unit length
    category: np.ndarray  # int [n], 0..9
    tagged: np.ndarray  # bool [n], one in a hundred
    author: np.ndarray  # int [n], 0..999
    public: np.ndarray  # bool [n], nine in ten
    words: np.ndarray  # int [n, 10], numbers of words: the lower, the more frequent


class Collection:
    def __init__(self, rows: int, *, seed: int = 1) -> None:
        self.rows, self._seed = rows, seed
        random = np.random.default_rng(seed)
        clusters = max(THEMES, rows // ROWS_PER_CLUSTER)
        self._image_cone, self._text_cone = _normalize(random.normal(size=(2, DIMENSIONS)))
        # Few directions carry most of the individual part: the k-th has a variance of 1/k.
        rotation, _ = np.linalg.qr(random.normal(size=(DIMENSIONS, DIMENSIONS)))
        spread = 1 / np.sqrt(np.arange(1, DIMENSIONS + 1))
        self._shape = (spread / np.linalg.norm(spread))[:, None] * rotation
        themes = self._sample_own(random, THEMES)
        self._theme_of = random.integers(0, THEMES, clusters)
        self._centres = _normalize(
            0.6 * _normalize(themes)[self._theme_of]
            + 0.8 * _normalize(self._sample_own(random, clusters))
        )
        weights = 1 / (np.arange(clusters) + clusters / 20)
        self._weights = random.permutation(weights / weights.sum())
        self._category_of_theme = np.arange(THEMES) % 10
        frequency = 1 / (np.arange(WORDS) + RANK_OFFSET)
        self._frequency = frequency / frequency.sum()

    def iterate_blocks(self) -> Iterator[Block]:
        """Yield the whole collection, identical at every call."""
        for first in range(0, self.rows, BLOCK):
            yield self._make_block(first, min(BLOCK, self.rows - first))

    def _make_block(self, first: int, count: int) -> Block:
        random = np.random.default_rng([self._seed, first])
        cluster = random.choice(len(self._centres), count, p=self._weights)
        # Half of the posts are in the category of their theme, the others in any.
        by_theme = self._category_of_theme[self._theme_of[cluster]]
        category = np.where(random.random(count) < 0.5, by_theme, random.integers(0, 10, count))
        return Block(
            first,
            self._combine_images(cluster, self._sample_own(random, count)),
            category,
            random.random(count) < 1 / TAG_ONE_IN,
            random.integers(0, AUTHORS, count),
            random.random(count) < 0.9,
            random.choice(WORDS, (count, CAPTION.stop), p=self._frequency),
        )

    def sample_image_queries(self, count: int) -> np.ndarray:
        """Return float32 [count, 512]: vectors of pictures that are not in the collection."""
        cluster, own, _ = self._sample_parts(count, 2)
        return self._combine_images(cluster, own)

    def sample_text_queries(self, count: int) -> np.ndarray:
        """Return float32 [count, 512]: vectors of texts about such pictures."""
        cluster, own, random = self._sample_parts(count, 3)
        vague = 0.6 * own + 0.8 * self._sample_own(random, count)
        content = CLUSTER * self._centres[cluster] + OWN * vague
        return _normalize(self._text_cone + TEXT_CONTENT * content)

    def sample_query_words(self, count: int) -> list[str]:
        """Return texts of two words, with the word frequencies of the collection."""
        random = np.random.default_rng([self._seed, 4, 4])
        pairs = random.choice(WORDS, (count, 2), p=self._frequency)
        return [" ".join(map(make_word, pair)) for pair in pairs]

    def _sample_parts(
        self, count: int, stream: int
    ) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
        random = np.random.default_rng([self._seed, stream, stream])
        cluster = random.choice(len(self._centres), count, p=self._weights)
        return cluster, self._sample_own(random, count), random

    def _combine_images(self, cluster: np.ndarray, own: np.ndarray) -> np.ndarray:
        return _normalize(CONE * self._image_cone + CLUSTER * self._centres[cluster] + OWN * own)

    def _sample_own(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Return float64 [count, 512] of length about 1."""
        return random.standard_normal((count, DIMENSIONS), dtype=np.float32) @ self._shape


def make_word(number: int) -> str:
    """Return a word of three syllables; no word is a prefix of another."""
    mixed = int(number) * 7_919 % 1_000_000
    syllables = (mixed // 10_000, mixed // 100 % 100, mixed % 100)
    return "".join("bcdfghjklmnpqrstvwxz"[n // 5] + "aeiou"[n % 5] for n in syllables)


def _normalize(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


# --- Storage ----------------------------------------------------------------------------------


def make_id(table: int, row: int) -> UUID:
    """Return an id scattered like random ones, with the row in its last 32 bits."""
    mixed = (row + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 + table
    return UUID(int=((mixed << 32) & (2**128 - 1)) | row, version=4)


def extract_row(identifier: UUID) -> int:
    return identifier.int & 0xFFFFFFFF


USER, POST, IMAGE = 1, 2, 3


class Loader:
    """Store blocks in users, posts and post_images of an empty installation."""

    def __init__(self, database: str) -> None:
        self._connection = psycopg.connect(database, autocommit=True)
        # The work of the triggers (words, foreign keys) is not measured.
        self._connection.execute("SET session_replication_role = replica")
        self._connection.execute("DROP INDEX idx_post_words_document")  # recreated by `finish`
        for table in ("users", "posts", "post_images"):
            self._set_empty_defaults(table)
        from ai.models import VectorSpace  # once Django is set up

        model, pretrained = MODEL.split("/")
        VectorSpace.objects.create(
            column="embedding", name=MODEL, model=model, pretrained=pretrained, state="active"
        )
        rows = self._connection.execute("SELECT id FROM categories ORDER BY name").fetchall()
        self.categories = [category for (category,) in rows]

    def _set_empty_defaults(self, table: str) -> None:
        """Give required columns that no search uses an empty default."""
        for column, kind in self._connection.execute(_WITHOUT_DEFAULT, [table]).fetchall():
            empty = "''" if kind in ("text", "character varying") else "'0'"
            self._connection.execute(f"ALTER TABLE {table} ALTER {column} SET DEFAULT {empty}")

    def add_members(self) -> None:
        rows = [
            {
                "id": make_id(USER, number),
                "email": f"member-{number}@example.test",
                "password_hash": "!",
                "first_name": "Member",
                "last_name": str(number),
                "auth_provider": "credential",
                **dict.fromkeys(("is_verified", "is_active"), True),
                **dict.fromkeys(("is_staff", "is_superuser"), False),
                **dict.fromkeys(("created_at", "updated_at"), _EPOCH),
            }
            for number in range(AUTHORS)
        ]
        with self._connection.cursor().copy(
            f"COPY users ({', '.join(rows[0])}) FROM STDIN"
        ) as copy:
            for row in rows:
                copy.write_row(list(row.values()))

    def add(self, block: Block) -> None:
        numbers = range(block.first, block.first + len(block.vectors))
        posts = [self._make_row(block, index, row) for index, row in enumerate(numbers)]
        columns = (
            "id, user_id, title, category_id, tags, visibility, view_count, like_count,"
            " comment_count, caption, open_fields, created_at, updated_at"
        )
        with self._connection.cursor().copy(f"COPY posts ({columns}) FROM STDIN") as copy:
            for post in posts:
                copy.write_row(post)
        with self._connection.cursor().copy(_COPY_IMAGES) as copy:
            copy.write(_HEADER + _encode_images(numbers, block) + b"\xff\xff")
        self._connection.execute(
            "INSERT INTO post_words (post_id, document) SELECT id, words_about(posts) FROM posts"
            " WHERE id = ANY(%s)",
            [[post[0] for post in posts]],
        )

    def _make_row(self, block: Block, index: int, row: int) -> list[Any]:
        moment = _EPOCH - timedelta(minutes=row * 2_654_435_761 % 2_628_000)  # within five years
        words = [make_word(number) for number in block.words[index]]
        tags = [*words[TAGS], *(["rare"] if block.tagged[index] else [])]
        return [
            make_id(POST, row),
            make_id(USER, int(block.author[index])),
            " ".join(words[TITLE]),
            self.categories[block.category[index]],
            tags,
            "public" if block.public[index] else "private",
            *(0, 0, 0),
            _format_caption(words),
            [],
            *(moment, moment),
        ]

    def finish(self) -> None:
        self._connection.execute(
            "CREATE INDEX idx_post_words_document ON post_words USING gin (document)"
        )
        self._connection.execute("VACUUM (ANALYZE) posts, post_images, post_words, users")


def _format_caption(words: list[str]) -> str:
    """Return a caption of the same length for every post, which `_encode_images` needs."""
    return "a picture of {} and {} with {} in {} {}".format(*words[CAPTION])


_WITHOUT_DEFAULT = """
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL
        AND data_type IN ('text', 'character varying', 'integer', 'smallint', 'bigint', 'boolean')
"""
_FIXED: dict[str, bytes] = {
    "image_url": b"/uploads/posts/00000000-0000-0000-0000-000000000000.jpg",
    "image_path": b"posts/00000000-0000-0000-0000-000000000000.jpg",
    "placeholder": _PLACEHOLDER.encode(),
    "embedding_model": MODEL.encode(),
    "caption_model": b"benchmark/blip",
    "ai_status": b"done",
}
_COPY_IMAGES = (
    f"COPY post_images (id, post_id, width, height, file_size, display_order, ai_attempts,"
    f" created_at, {', '.join(_FIXED)}, checksum, ai_caption, perceptual_hash, embedding)"
    " FROM STDIN (FORMAT binary)"
)
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


def _encode_images(numbers: range, block: Block) -> bytes:
    """Encode rows for PostgreSQL's binary COPY (see its manual); text would take minutes."""
    numeric = {"width": 4, "height": 4, "file_size": 4, "display_order": 4, "ai_attempts": 2}
    captions = [
        _format_caption([make_word(number) for number in words]).encode() for words in block.words
    ]
    texts = {
        **{name: np.full(len(numbers), value) for name, value in _FIXED.items()},
        "checksum": np.array([b"%064x" % row for row in numbers]),
        "ai_caption": np.array(captions),
    }
    fields: list[Any] = [("fields", ">i2")]
    for name in ("id", "post_id"):
        fields += [(f"{name}_length", ">i4"), (name, "V16")]
    for name, size in numeric.items():
        fields += [(f"{name}_length", ">i4"), (name, f">i{size}")]
    fields += [("created_at_length", ">i4"), ("created_at", ">i8")]
    for name, values in texts.items():
        fields += [(f"{name}_length", ">i4"), (name, values.dtype)]
    fields += [("hash_length", ">i4"), ("hash", ">i8")]
    fields += [("embedding_length", ">i4"), ("dimensions", ">i2"), ("unused", ">i2")]
    rows = np.zeros(len(numbers), dtype=[*fields, ("embedding", ">f4", DIMENSIONS)])
    rows["fields"] = 2 + len(numeric) + 1 + len(texts) + 2
    for name, table in (("id", IMAGE), ("post_id", POST)):
        rows[f"{name}_length"] = 16
        ids = b"".join(make_id(table, row).bytes for row in numbers)
        rows[name] = np.frombuffer(ids, dtype="V16")
    for name, size in numeric.items():
        rows[f"{name}_length"] = size
    rows["width"], rows["height"], rows["file_size"] = 1600, 1200, 400_000
    rows["created_at_length"] = 8
    for name, values in texts.items():
        rows[f"{name}_length"], rows[name] = values.dtype.itemsize, values
    rows["hash_length"] = 8
    rows["hash"] = [(row + 1) * 0x9E3779B97F4A7C15 % 2**64 - 2**63 for row in numbers]
    rows["embedding_length"], rows["dimensions"] = 4 + 4 * DIMENSIONS, DIMENSIONS
    rows["embedding"] = block.vectors
    return rows.tobytes()
