"""A change of the model while the collection is searched and extended all the time."""

import io
import json
import threading
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from PIL import Image

from accounts.models import User
from ai import services as ai
from ai.engine import Engine
from ai.model_ids import clip_name
from ai.models import Column, State, VectorSpace
from posts.models import AIStatus, Like, Post, PostImage
from posts.services import create_post
from recommendations import interests
from recommendations.models import UserEmbedding
from search import services

IMAGES, FILES = 5_000, 1_250
QUERIES = ["a red boat", "blue sea", "green hills", "a white house", "night", "một con mèo"]
NEAR = FILES // 10  # how far from its true rank a result may be: bf16 rounds


# --- Equivalent models in two vector spaces -----------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundled model made fast by smaller images, and the same with its space turned.

    Searches find the same in both, and anything at all when a vector of one is compared with
    those of the other.
    """
    from safetensors.torch import load_file, save_file

    bundled = Path("ai/demo_models/clip")
    config = json.loads((bundled / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"]["image_size"] = 32
    weights = load_file(bundled / "open_clip_model.safetensors")
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(512, 512)))
    turned = dict(weights)
    for name, matrix in (("visual.head.proj.weight", turn), ("text_projection", turn.T)):
        old = weights[name].double().numpy()
        new = matrix @ old if name.startswith("visual") else old @ matrix
        turned[name] = weights[name].new_tensor(new)
    found = {}
    for name, state in (("straight", weights), ("turned", turned)):
        found[name] = tmp_path_factory.mktemp("models") / name
        found[name].mkdir()
        (found[name] / "open_clip_config.json").write_text(json.dumps(config))
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (found[name] / file).write_bytes((bundled / file).read_bytes())
        save_file(state, found[name] / "open_clip_model.safetensors")
    return found


@pytest.fixture(scope="module")
def straight(models: dict[str, Path]) -> Engine:
    return Engine.from_settings(clip_model=f"local-dir:{models['straight']}", clip_pretrained="")


def patches(seed: int) -> Image.Image:
    """Return a few pixels of one or two colours, all that the model sees in a small picture."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 255, (3, 3, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((24, 24), Image.Resampling.NEAREST)


@pytest.fixture
def active(worker: None, models: dict[str, Path]) -> str:
    """The collection is in the space of the first model, and a worker knows it."""
    name = clip_name(str(models["straight"]), "")
    VectorSpace.objects.create(
        column=Column.SEARCHED,
        name=name,
        model=f"local-dir:{models['straight']}",
        state=State.ACTIVE,
    )
    wait_until(lambda: any(w.has_clip(name) and w.blip.loaded for w in ai.worker_states()))
    return name


@pytest.fixture
def collection(active: str, owner: User, straight: Engine) -> np.ndarray:
    """float32 [FILES, 512]: the vectors of the images, by the number in their post's title."""
    pictures = [patches(seed) for seed in range(FILES)]
    vectors = straight.embed_images(pictures)
    paths = []
    for number, picture in enumerate(pictures):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        paths.append(default_storage.save(f"posts/change-{number}.png", buffer))
    posts = [Post(user=owner, title=str(number % FILES)) for number in range(IMAGES)]
    Post.objects.bulk_create(posts)
    PostImage.objects.bulk_create(
        PostImage(
            post=post,
            image_url=f"/uploads/{paths[number % FILES]}",
            image_path=paths[number % FILES],
            embedding=vectors[number % FILES],
            embedding_model=active,
            ai_status=AIStatus.DONE,
        )
        for number, post in enumerate(posts)
    )
    return vectors


@pytest.fixture
def fan(member: Callable[..., User], collection: np.ndarray, active: str) -> User:
    """A member who liked a post and has an embedding in the first space."""
    fan = member("Fan")
    Like.objects.create(user=fan, post=Post.objects.filter(title="0")[0])
    interests.update_embedding(fan, interests.interactions_of(fan, active), active)
    return fan


def wait_until(holds: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


# --- Searches ---------------------------------------------------------------------------------


class Searches:
    """Searches continuously from two threads; failures are in `wrong`."""

    def __init__(self, viewer: User, vectors: np.ndarray, straight: Engine) -> None:
        self.viewer = viewer
        self.vectors = vectors
        order = np.argsort(-straight.embed_texts(QUERIES) @ vectors.T, axis=1)
        self.near = [set(map(str, row[:NEAR])) for row in order]
        self.count = 0
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(2)]

    def __enter__(self) -> "Searches":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        try:
            while not self._stop.is_set():
                self._search(number)
                number += 1
                self._stop.wait(0.1)  # leave the change a processor
                if number % 5 == 0:
                    cache.clear()  # so that the worker embeds the texts again
        except Exception as error:
            self.wrong.append(repr(error))
        finally:
            connection.close()

    def _search(self, number: int) -> None:
        index = number % len(QUERIES)
        found = services.search_text(self.viewer, QUERIES[index], limit=10, min_score=0.0)
        self.count += 1
        titles = [match.post.title for match in found.matches]
        if not found.ai_available or len(titles) != 10:
            self.wrong.append(f"{QUERIES[index]}: by meaning {found.ai_available}, {titles}")
        elif far := [
            title for title in titles if title.isdigit() and title not in self.near[index]
        ]:
            self.wrong.append(f"{QUERIES[index]}: {far} are not near")
        self._look_at_similar(found.matches[0].post) if found.matches else None

    def _look_at_similar(self, post: Post) -> None:
        found = services.similar_posts(self.viewer, post.pk, limit=3)
        if len(found) != 3 or found[0].score < 0.95:  # four posts have the same picture
            self.wrong.append(f"similar to {post.title}: {[match.score for match in found]}")


def change(*words: str) -> str:
    out = StringIO()
    call_command("change_model", *words, stdout=out)
    return out.getvalue()


def upload(owner: User, seed: int) -> Post:
    buffer = io.BytesIO()
    patches(seed).save(buffer, "PNG")
    file = SimpleUploadedFile("p.png", buffer.getvalue(), "image/png")
    return create_post(author=owner, uploads=[file], title="uploaded meanwhile")


def test_searches_never_fail_nor_mix_spaces_while_the_model_changes_and_back(
    owner: User, fan: User, collection: np.ndarray, straight: Engine, models: dict[str, Path]
) -> None:
    first, second = (clip_name(str(models[name]), "") for name in ("straight", "turned"))
    uploaded: list[Post] = []

    def keep_uploading(stop: threading.Event) -> None:
        while not stop.wait(1.0):
            uploaded.append(upload(owner, 10_000 + len(uploaded)))
        connection.close()

    stop = threading.Event()
    uploads = threading.Thread(target=keep_uploading, args=(stop,))
    with Searches(owner, collection, straight) as searches:
        uploads.start()
        said = change(f"local-dir:{models['turned']}")
        assert f"Searched: {second}. Second model: {first} (kept)." in said
        assert ai.clip_name() == second
        wait_until(lambda: UserEmbedding.objects.get(user=fan).vector_model == second)
        during = searches.count
        time.sleep(2)
        stop.set()
        uploads.join()
        wait_until(lambda: not PostImage.objects.filter(ai_status="pending").exists())
        columns = set(PostImage.objects.values_list("embedding_model", "next_embedding_model"))
        assert columns == {(second, first)}

        said = change("--rollback")
        assert f"Searched: {first}. Second model: {second} (kept)." in said
        time.sleep(2)
        rolled_back = searches.count
    assert searches.wrong == []
    assert during > 50
    assert rolled_back > during + 10
    assert uploaded

    sample = PostImage.objects.filter(post__title__in=["0", "7", "700"]).select_related("post")
    for image in sample:
        assert image.embedding_model == first
        assert np.dot(image.embedding, collection[int(image.post.title)]) > 0.999
        assert abs(np.dot(image.embedding, image.next_embedding)) < 0.5

    assert change("--finish") == "All vectors are of one model.\n"
    assert not PostImage.objects.exclude(next_embedding_model="").exists()
    assert not PostImage.objects.filter(next_embedding__isnull=False).exists()
    assert PostImage.objects.filter(embedding_model=first).count() == IMAGES + len(uploaded)
