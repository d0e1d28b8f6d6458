"""Posts with vectors, many or few, without files or models."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from django.db import connection

from accounts.models import User
from ai import heartbeat
from ai.heartbeat import ModelState, WorkerState
from posts.models import Post, PostImage
from search.ann import index

MODEL = "the/model"
SIDE = 512


def pointing(*values: float) -> list[float]:
    """Return a unit vector whose first entries have these proportions."""
    vector = np.zeros(SIDE)
    vector[: len(values)] = values
    return (vector / np.linalg.norm(vector)).tolist()


def at_cosine(cosine: float, axis: int = 1) -> list[float]:
    """Return a unit vector with this cosine to `pointing(1)`."""
    vector = np.zeros(SIDE)
    vector[0], vector[axis] = cosine, np.sqrt(1 - cosine**2)
    return vector.tolist()


@pytest.fixture
def vector_post(owner: User) -> Callable[..., Post]:
    """`vector_post(vector, vector)`: a public post with an embedded image of each vector."""

    def make(
        *vectors: list[float] | None, author: User = owner, model: str = MODEL, **fields: Any
    ) -> Post:
        post = Post.objects.create(**{"user": author, "title": "Untitled Post", **fields})
        for order, vector in enumerate(vectors):
            PostImage.objects.create(
                post=post,
                image_url=f"https://images.example/{post.pk}/{order}.jpg",
                display_order=order,
                embedding=vector,
                embedding_model=model if vector else "",
            )
        return post

    return make


def clustered(count: int, *, clusters: int = 60, seed: int = 0) -> np.ndarray:
    """Return float32 [count, 512] of unit length, in as many clusters as an album has motifs."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(clusters, SIDE)).astype(np.float32)
    noise = random.normal(size=(count, SIDE)).astype(np.float32)
    vectors = centres[random.integers(0, clusters, count)] + 0.7 * noise
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def insert_many(user: User, vectors: np.ndarray, visibility: Sequence[str]) -> None:
    """Insert a post with one image for each vector; `visibility` is cycled over them.

    Sent as PostgreSQL's binary COPY, because 12,000 vectors as text take ten seconds.
    """
    row: list[Any] = [("fields", ">i2"), ("length", ">i4"), ("number", ">i4"), ("size", ">i4")]
    row += [("dimensions", ">i2"), ("unused", ">i2"), ("vector", ">f4", SIDE)]
    data = np.zeros(len(vectors), dtype=row)
    data["fields"], data["length"], data["size"] = 2, 4, 4 + 4 * SIDE
    data["number"] = np.arange(len(vectors))
    data["dimensions"], data["vector"] = SIDE, vectors
    header = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE arriving (number int, embedding vector)")
        with cursor.copy("COPY arriving FROM STDIN (FORMAT binary)") as copy:
            copy.write(header + data.tobytes() + b"\xff\xff")
        cursor.execute(
            "WITH new AS (SELECT gen_random_uuid() AS id, embedding,"
            " (%(visibility)s::text[])[number %% %(kinds)s + 1] AS visibility FROM arriving),"
            " saved AS (INSERT INTO posts (id, user_id, title, visibility, view_count, like_count,"
            " comment_count, open_fields, created_at, updated_at)"
            " SELECT id, %(user)s, 'x', visibility, 0, 0, 0, '{}', now(), now() FROM new)"
            " INSERT INTO post_images (id, post_id, image_url, image_path, checksum, placeholder,"
            " display_order, created_at, embedding, embedding_model, next_embedding_model,"
            " caption_model, ai_status, ai_error, ai_attempts, fill_attempts)"
            " SELECT gen_random_uuid(), id, 'https://a.example/b.jpg', '', '', '', 0, now(),"
            " embedding, %(model)s, '', '', 'done', '', 0, 0 FROM new",
            {
                "visibility": list(visibility),
                "kinds": len(visibility),
                "user": user.pk,
                "model": MODEL,
            },
        )
        cursor.execute("DROP TABLE arriving")


@pytest.fixture
def _no_index(transactional_db: None) -> Any:
    """Drop the vector indexes, which outlive the rows of a transactional test."""
    yield
    with connection.cursor() as cursor:
        for column in ("embedding", "next_embedding"):
            cursor.execute(f"DROP INDEX IF EXISTS {index.name_of(column)}")
            cursor.execute(f"DROP INDEX IF EXISTS {index.build_name(column)}")


@contextmanager
def holding_the_lock() -> Iterator[None]:
    """Hold the lock like another process that builds the index."""
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [index._LOCK])
            locked.set()
            done.wait(300)
            # The lock of a closed connection is released only when its server process has ended.
            cursor.execute("SELECT pg_advisory_unlock(%s)", [index._LOCK])
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(120)
    try:
        yield
    finally:
        done.set()
        holder.join(20)


@pytest.fixture
def openai_scale(settings: Any) -> None:
    """Use a model with a known scale, independent of the demo's models."""
    settings.AI_CLIP_MODEL, settings.AI_CLIP_PRETRAINED = "ViT-B-32-quickgelu", "openai"


@pytest.fixture
def knows(servers: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`knows(name)`: the only worker reports these models as loaded."""
    monkeypatch.setattr(heartbeat, "WORKERS_KEY", "test:workers")
    monkeypatch.setattr(heartbeat, "STATE_KEY", "test:worker:{}")

    def publish(*names: str) -> None:
        first, *others = [ModelState(name, loaded=True) for name in names]
        queues = ("interactive", "embed")
        blip = ModelState("blip", loaded=True)
        heartbeat.publish(
            WorkerState("w", queues, "cpu", "fp32", clip=first, blip=blip, others=tuple(others))
        )

    yield publish
    heartbeat.withdraw("w")
