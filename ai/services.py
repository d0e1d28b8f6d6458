"""What the web, search and posts ask of the AI. Free of torch: workers do the work.

Every function that asks a worker raises Unavailable when no worker that has the model loaded is
alive or too many requests wait already (at once), when none answers within settings.AI_TIMEOUT or
when Redis can't be reached (within about two seconds).
"""

import array
import hashlib
import logging
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.core.cache import cache
from numpy.typing import NDArray
from PIL import Image
from redis import RedisError

from ai import heartbeat, model_ids, tasks, vector_space
from ai.heartbeat import WorkerState
from ai.image_codec import to_message
from ai.rpc import QUEUE, ask
from ai.zero_shot import Texts, decide
from smimso import errors

logger = logging.getLogger(__name__)

TEXT_MAX = 2_000  # characters; far above any model's context length
TEXTS_AT_ONCE = 32  # in one message: those who wait for an answer come in between
TEXT_CACHE_SECONDS = 24 * 60 * 60
PROMPT = "a photo of {}"  # what the old service's zero-shot labels were put into
DEFAULT_LABELS = ("photo", "drawing", "painting", "screenshot", "diagram")


@dataclass(frozen=True)
class Prediction:
    """score: probability among the labels asked for, 0..1; a request's scores sum to 1."""

    label: str
    score: float


def clip_name() -> str:
    """The identifier of the vector space that is searched, stored beside each vector.

    One small query; within `ai.vector_space.steady` none, and the same name all the time.
    """
    return vector_space.active().name


def blip_name() -> str:
    """The identifier of the configured captioning model."""
    return model_ids.blip_name()


def worker_states() -> list[WorkerState]:
    """The AI workers that are alive. Raises Unavailable when Redis can't be reached."""
    try:
        return heartbeat.live_workers()
    except RedisError as error:
        raise errors.Unavailable("ai_unavailable") from error


def embed_text(text: str) -> list[float]:
    """The CLIP vector of a text: 512 floats of unit length; cached by model and text.

    Raises InvalidInput on a blank text, and what the module's docstring lists.
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())[:TEXT_MAX]
    if not text:
        raise errors.InvalidInput("text_required")
    workers = worker_states()  # before the cache, which has no time-out when Redis hangs
    model = clip_name()
    digest = hashlib.sha256(f"{model}\n{text}".encode()).hexdigest()
    cached = _cached(f"ai:text:{digest}")
    if cached is not None:
        return array.array("f", cached).tolist()
    vector = _vector_of(_ask(tasks.embed_text, workers, model, text=text), model)
    with suppress(RedisError):  # the next one asks again
        cache.set(f"ai:text:{digest}", array.array("f", vector).tobytes(), TEXT_CACHE_SECONDS)
    return vector


def _cached(key: str) -> bytes | None:
    try:
        return cache.get(key)
    except RedisError as error:  # the cache is a Redis connection of its own
        logger.warning("The cache can't be reached: %s", error)
        return None


def embed_image(image: Image.Image) -> list[float]:
    """The CLIP vector of an RGB image: 512 floats of unit length."""
    workers, model = worker_states(), clip_name()
    return _vector_of(_ask(tasks.embed_image, workers, model, image=to_message(image)), model)


def describe_image(image: Image.Image) -> tuple[list[float], str | None]:
    """The vector of an RGB image and its caption, None when captioning failed."""
    workers, model = worker_states(), clip_name()
    found = _ask(tasks.describe_image, workers, model, image=to_message(image))
    return _vector_of(found, model), found["caption"]


def classify_image(image: Image.Image, labels: Sequence[str] = DEFAULT_LABELS) -> list[Prediction]:
    """CLIP's zero-shot classification of an RGB image, the most probable label first.

    Raises InvalidInput without labels.
    """
    if not labels:
        raise errors.InvalidInput("labels_required")
    prompts = [PROMPT.format(label) for label in labels]
    workers, model = worker_states(), clip_name()
    scores = _ask(tasks.classify_image, workers, model, image=to_message(image), prompts=prompts)
    found = [Prediction(label, score) for label, score in zip(labels, scores, strict=True)]
    return sorted(found, key=lambda prediction: -prediction.score)


def caption_and_label(
    image: Image.Image, labels: Sequence[Texts]
) -> tuple[str, tuple[int, float] | None]:
    """A caption of an RGB image, in English, "" when captioning failed; and what it shows: the
    number of the label and its probability, None: none of them.

    labels: of each what it is called, by language; see `ai.zero_shot`.
    """
    workers, model = worker_states(), clip_name()
    arguments = {"image": to_message(image), "labels": list(labels)}
    found = _ask(tasks.caption_and_label, workers, model, **arguments)
    return found["caption"] or "", _likely(found["scores"])


def _likely(scores: list[float] | None) -> tuple[int, float] | None:
    best = int(decide(np.array([scores]))[0]) if scores else -1
    return (best, scores[best]) if scores and best >= 0 else None


def embed_texts(texts: Sequence[str]) -> NDArray[np.float32]:
    """float32 [n, 512]: the vectors of prompts, as they are; not cached. For background work."""
    workers, model = worker_states(), clip_name()
    found: list[list[float]] = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        part = list(texts[start : start + TEXTS_AT_ONCE])
        answer = _ask(tasks.embed_texts, workers, model, texts=part)
        found += _vectors_of(answer, model)
    return np.array(found, dtype=np.float32)


def _ask(task: Any, workers: list[WorkerState], model: str, **arguments: Any) -> Any:
    """Ask, if a worker that answers requests has this CLIP model loaded."""
    if not any(QUEUE in worker.queues and worker.has_clip(model) for worker in workers):
        raise errors.Unavailable("ai_unavailable")
    return ask(task, model=model, **arguments)


def _vector_of(found: dict[str, Any], model: str) -> list[float]:
    _check_space(found, model)
    return found["vector"]


def _vectors_of(found: dict[str, Any], model: str) -> list[list[float]]:
    _check_space(found, model)
    return found["vectors"]


def _check_space(found: dict[str, Any], model: str) -> None:
    if found["model"] != model:  # never mix two vector spaces
        logger.error("A worker answered with %s, not %s", found["model"], model)
        raise errors.Unavailable("ai_unavailable")
