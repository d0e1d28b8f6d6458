"""Fixtures: posts, queues without a worker, and an engine that recognizes colors."""

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import redis
from django.conf import settings as django_settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from accounts.models import User
from ai.errors import ModelUnavailable
from posts.models import Post
from posts.services import create_post

COLOURS = {
    "red": (224, 32, 32),
    "green": (32, 224, 32),
    "blue": (32, 32, 224),
    "black": (16, 16, 16),
    "white": (240, 240, 240),
}


def png(colour: str, size: tuple[int, int] = (12, 8)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, COLOURS[colour]).save(file, "PNG")
    return file.getvalue()


def upload(colour: str, name: str = "IMG_0001.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, png(colour), "image/png")


@pytest.fixture
def new_post(owner: User) -> Callable[..., Post]:
    """`new_post("red", "blue")`: a stored post with a picture of each color."""

    def make(*colours: str, author: User = owner, **fields: Any) -> Post:
        uploads = [upload(colour) for colour in colours or ("red",)]
        return create_post(author=author, uploads=uploads, **fields)

    return make


def stored_files() -> set[str]:
    folder = Path(default_storage.location) / "posts"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@pytest.fixture(autouse=True)
def _own_uploads(tmp_path: Path, settings: Any, request: pytest.FixtureRequest) -> None:
    """An empty upload folder for each test, except for tests that share one with a real worker."""
    if "worker" not in request.fixturenames:
        settings.MEDIA_ROOT = tmp_path / "uploads"


# --- Queues ---------------------------------------------------------------------------------


class Queues:
    """The queued messages, in a Redis database of the test's own."""

    def __init__(self, client: "redis.Redis[bytes]") -> None:
        self.client = client

    def __getitem__(self, queue: str) -> list[UUID]:
        """Return the ids of queued images, in the order of sending."""
        messages = [json.loads(message) for message in self.client.lrange(queue, 0, -1)]
        bodies = [json.loads(base64.b64decode(message["body"])) for message in messages]
        return [UUID(body[0][0]) for body in reversed(bodies)]

    def fill(self, queue: str, count: int) -> None:
        self.client.rpush(queue, *[b"{}"] * count)

    def clear(self) -> None:
        self.client.flushdb()


@pytest.fixture
def queues(servers: Path, broker_at: Callable[[str], None]) -> Iterator[Queues]:
    url = django_settings.REDIS_URL.replace("db=0", "db=7")
    broker_at(url)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield Queues(client)
        client.flushdb()


# --- The engine -----------------------------------------------------------------------------


class ColourEngine:
    """An engine whose vectors are histograms of 8 x 8 x 8 colors, which have 512 entries."""

    clip_name = "colours/histogram"
    caption_source = "colours/words"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.labelled: list[int] = []
        self.embed_batch_size = self.caption_batch_size = 16
        self.max_batch_size = 100
        self.rejected: set[str] = set()
        self.missing: set[str] = set()  # of "clip", "blip"
        self.category_prompt = ""
        self.category_score = 0.0

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        self._accept(images, "clip")
        vectors = np.zeros((len(images), 512), dtype=np.float32)
        for vector, image in zip(vectors, images, strict=True):
            red, green, blue = (np.asarray(image).reshape(-1, 3) // 32).astype(int).T
            np.add.at(vector, red * 64 + green * 8 + blue, 1)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def caption_images(self, images: Sequence[Image.Image]) -> list[str]:
        self._accept(images, "blip")
        return [f"a {colour_of(image)} picture of nothing" for image in images]

    def label(self, image_vectors: np.ndarray, labels: Sequence[Any]) -> np.ndarray:
        self.labelled.append(len(image_vectors))
        if "clip" in self.missing:
            raise ModelUnavailable("no weights in /some/directory")
        scores = np.full((len(image_vectors), len(labels) + 1), 1e-3, dtype=np.float32)
        if self.category_prompt:
            prompts = [label["en"][0] for label in labels]
            scores[:, prompts.index(self.category_prompt)] = self.category_score
        scores[:, -1] = 1 - scores[:, :-1].sum(axis=1)
        return scores

    def _accept(self, images: Sequence[Image.Image], model: str) -> None:
        if model in self.missing:
            raise ModelUnavailable("no weights in /some/directory")
        self.batches.append(len(images))
        if len(images) > self.max_batch_size:
            raise RuntimeError("out of memory")
        if rejected := self.rejected & {colour_of(image) for image in images}:
            raise ValueError(f"cannot process {', '.join(rejected)}")


def colour_of(image: Image.Image) -> str:
    seen = image.resize((1, 1)).getpixel((0, 0))
    return next(name for name, colour in COLOURS.items() if colour == seen)


@pytest.fixture
def engine() -> ColourEngine:
    return ColourEngine()


def vector_of(colour: str) -> list[float]:
    return ColourEngine().embed_images([Image.open(io.BytesIO(png(colour)))])[0].tolist()
