"""The Celery tasks that callers wait for; their names and queues are in `ai.rpc.RemoteTask`.

Each sends its result with `ai.rpc.reply`. Images are encoded by `ai.image_codec`. `model` is the
name of the vector space that the caller searches.
"""

import logging

import numpy as np
from celery import Task, shared_task
from PIL import Image

from ai import image_codec
from ai.errors import ModelUnavailable
from ai.rpc import (
    DescriptionReply,
    LabelReply,
    RemoteTask,
    VectorReply,
    VectorsReply,
    reply,
)
from ai.worker import get_engine

logger = logging.getLogger(__name__)


@shared_task(bind=True, ignore_result=True, queue=RemoteTask.EMBED_TEXT.queue)
def embed_text(self: Task, *, text: str, model: str) -> None:
    def compute() -> VectorReply:
        return _vector_reply(model, get_engine(model).embed_texts([text])[0])

    reply(self, compute)


@shared_task(bind=True, ignore_result=True, queue=RemoteTask.EMBED_IMAGE.queue)
def embed_image(self: Task, *, image: str, model: str) -> None:
    def compute() -> VectorReply:
        picture = image_codec.decode(image)
        return _vector_reply(model, get_engine(model).embed_images([picture])[0])

    reply(self, compute)


@shared_task(bind=True, ignore_result=True, queue=RemoteTask.DESCRIBE_IMAGE.queue)
def describe_image(self: Task, *, image: str, model: str) -> None:
    def compute() -> DescriptionReply:
        picture = image_codec.decode(image)
        vector = _vector_reply(model, get_engine(model).embed_images([picture])[0])
        return {**vector, "caption": _caption_or_none(picture)}

    reply(self, compute)


@shared_task(bind=True, ignore_result=True, queue=RemoteTask.CLASSIFY_IMAGE.queue)
def classify_image(self: Task, *, image: str, prompts: list[str], model: str) -> None:
    def compute() -> list[float]:
        vectors = get_engine(model).embed_images([image_codec.decode(image)])
        return get_engine(model).classify(vectors, prompts)[0].tolist()

    reply(self, compute)


@shared_task(bind=True, ignore_result=True, queue=RemoteTask.CAPTION_AND_LABEL.queue)
def caption_and_label(
    self: Task, *, image: str, labels: list[dict[str, list[str]]], model: str
) -> None:
    """Reply with the caption and, if there are labels, the probability of each."""

    def compute() -> LabelReply:
        picture = image_codec.decode(image)
        scores = None
        if labels:
            vectors = get_engine(model).embed_images([picture])
            scores = get_engine(model).label(vectors, labels)[0].tolist()
        return {"caption": _caption_or_none(picture), "scores": scores}

    reply(self, compute)


@shared_task(bind=True, ignore_result=True, queue=RemoteTask.EMBED_TEXTS.queue)
def embed_texts(self: Task, *, texts: list[str], model: str) -> None:
    def compute() -> VectorsReply:
        vectors = get_engine(model).embed_texts(texts)
        return {"model": model, "vectors": vectors.tolist()}

    reply(self, compute)


def _vector_reply(model: str, vector: np.ndarray) -> VectorReply:
    return {"model": model, "vector": vector.tolist()}


def _caption_or_none(picture: Image.Image) -> str | None:
    """Return None if captioning fails: the old service then answered `caption: null`, too."""
    try:
        return get_engine().caption_images([picture])[0] or None
    except ModelUnavailable:
        return None
    except Exception:
        logger.exception("Captioning failed")
        return None
