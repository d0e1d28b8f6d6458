"""The AI's interface for web, search and posts. Free of torch: workers do the computing.

Every function that calls a worker raises Unavailable: at once if no live worker has the model
loaded or too many calls are waiting, after settings.AI_TIMEOUT if none replies, and within about
two seconds if Redis is unreachable.
"""

import array
import hashlib
import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.core.cache import cache
from numpy.typing import NDArray
from PIL import Image
from redis import RedisError

from ai import heartbeat, image_codec, model_ids, rpc, vector_space
from ai.heartbeat import WorkerState
from ai.rpc import DescriptionReply, LabelReply, RemoteTask, VectorReply, VectorsReply
from ai.zero_shot import LocalizedTexts, predict
from smimso import errors
from smimso.queues import INTERACTIVE

logger = logging.getLogger(__name__)

MAX_TEXT_LENGTH = 2_000  # characters; far above any model's context length
MAX_TEXTS_PER_CALL = 32  # other callers' requests run between two calls
TEXT_CACHE_SECONDS = 24 * 60 * 60
PROMPT = "a photo of {}"  # the old service's template for zero-shot labels
DEFAULT_LABELS = ("photo", "drawing", "painting", "screenshot", "diagram")


@dataclass(frozen=True)
class Prediction:
    """score: probability among the requested labels, 0..1; the scores of a request sum to 1."""

    label: str
    score: float


def clip_name() -> str:
    """Return the name of the searched vector space, which is stored with each vector.

    One small query; none, and always the same name, within `ai.vector_space.in_one_vector_space`.
    """
    return vector_space.active_space().name


def blip_name() -> str:
    """Return the name of the configured captioning model."""
    return model_ids.blip_name()


def worker_states() -> list[WorkerState]:
    """Return the states of the live AI workers. Raises Unavailable if Redis is unreachable."""
    try:
        return heartbeat.live_workers()
    except RedisError as error:
        raise errors.Unavailable("ai_unavailable") from error


def embed_text(text: str) -> list[float]:
    """Return the CLIP vector of a text: 512 floats of unit length, cached by model and text.

    Raises InvalidInput for a blank text, and Unavailable.
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())[:MAX_TEXT_LENGTH]
    if not text:
        raise errors.InvalidInput("text_required")
    workers = worker_states()  # before the cache, which has no time-out when Redis hangs
    model = clip_name()
    digest = hashlib.sha256(f"{model}\n{text}".encode()).hexdigest()
    cached = cache.get(f"ai:text:{digest}")
    if cached is not None:
        return array.array("f", cached).tolist()
    vector = _vector(_call(RemoteTask.EMBED_TEXT, workers, model, text=text), model)
    cache.set(f"ai:text:{digest}", array.array("f", vector).tobytes(), TEXT_CACHE_SECONDS)
    return vector


def embed_image(image: Image.Image) -> list[float]:
    """Return the CLIP vector of an RGB image: 512 floats of unit length."""
    workers, model = worker_states(), clip_name()
    encoded = image_codec.encode(image)
    return _vector(_call(RemoteTask.EMBED_IMAGE, workers, model, image=encoded), model)


def describe_image(image: Image.Image) -> tuple[list[float], str | None]:
    """Return the vector of an RGB image and its caption, None if captioning failed."""
    workers, model = worker_states(), clip_name()
    encoded = image_codec.encode(image)
    result: DescriptionReply = _call(RemoteTask.DESCRIBE_IMAGE, workers, model, image=encoded)
    return _vector(result, model), result["caption"]


def classify_image(image: Image.Image, labels: Sequence[str] = DEFAULT_LABELS) -> list[Prediction]:
    """Classify an RGB image with CLIP (zero-shot); return the most probable label first.

    Raises InvalidInput without labels.
    """
    if not labels:
        raise errors.InvalidInput("labels_required")
    workers, model = worker_states(), clip_name()
    arguments = {
        "image": image_codec.encode(image),
        "prompts": [PROMPT.format(label) for label in labels],
    }
    scores = _call(RemoteTask.CLASSIFY_IMAGE, workers, model, **arguments)
    predictions = [Prediction(label, score) for label, score in zip(labels, scores, strict=True)]
    return sorted(predictions, key=lambda prediction: -prediction.score)


def caption_and_label(
    image: Image.Image, labels: Sequence[LocalizedTexts]
) -> tuple[str, tuple[int, float] | None]:
    """Return an English caption of an RGB image and the index and probability of its label.

    The caption is "" if captioning failed; the label is None if none fits. labels: the names of
    each, by language; see `ai.zero_shot`.
    """
    workers, model = worker_states(), clip_name()
    arguments = {"image": image_codec.encode(image), "labels": list(labels)}
    result: LabelReply = _call(RemoteTask.CAPTION_AND_LABEL, workers, model, **arguments)
    return result["caption"] or "", _best_label(result["scores"])


def _best_label(scores: list[float] | None) -> tuple[int, float] | None:
    best = int(predict(np.array([scores]))[0]) if scores else -1
    return (best, scores[best]) if scores and best >= 0 else None


def embed_texts(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors of prompts, float32 [n, 512], uncached. For background work."""
    workers, model = worker_states(), clip_name()
    vectors: list[list[float]] = []
    for start in range(0, len(texts), MAX_TEXTS_PER_CALL):
        part = list(texts[start : start + MAX_TEXTS_PER_CALL])
        result: VectorsReply = _call(RemoteTask.EMBED_TEXTS, workers, model, texts=part)
        _check_space(result["model"], model)
        vectors += result["vectors"]
    return np.array(vectors, dtype=np.float32)


def _call(task: RemoteTask, workers: list[WorkerState], model: str, **arguments: object) -> Any:
    """Call a worker, provided that one that serves calls has this CLIP model loaded."""
    if not any(INTERACTIVE in worker.queues and worker.has_clip(model) for worker in workers):
        raise errors.Unavailable("ai_unavailable")
    return rpc.call(task, model=model, **arguments)


def _vector(result: VectorReply, model: str) -> list[float]:
    _check_space(result["model"], model)
    return result["vector"]


def _check_space(actual: str, expected: str) -> None:
    if actual != expected:  # never mix two vector spaces
        logger.error("A worker replied with a vector of %s instead of %s", actual, expected)
        raise errors.Unavailable("ai_unavailable")
