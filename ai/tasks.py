"""The requests that someone is waiting for, as Celery tasks.

Each answers through `ai.rpc.answer`; images come as `ai.image_codec.to_message` makes them.
`model`: the name of the vector space that the caller searches.
"""

import logging
from typing import Any

from celery import Task, shared_task

from ai.errors import ModelUnavailable
from ai.image_codec import from_message
from ai.rpc import answer
from ai.worker import engine
from smimso.queues import INTERACTIVE, TEXT

logger = logging.getLogger(__name__)


@shared_task(bind=True, ignore_result=True, queue=TEXT)
def embed_text(self: Task, *, text: str, model: str) -> None:
    def compute() -> dict[str, Any]:
        return _vector(model, engine(model).embed_texts([text])[0])

    answer(self, compute)


@shared_task(bind=True, ignore_result=True, queue=INTERACTIVE)
def embed_image(self: Task, *, image: str, model: str) -> None:
    def compute() -> dict[str, Any]:
        return _vector(model, engine(model).embed_images([from_message(image)])[0])

    answer(self, compute)


@shared_task(bind=True, ignore_result=True, queue=INTERACTIVE)
def describe_image(self: Task, *, image: str, model: str) -> None:
    def compute() -> dict[str, Any]:
        picture = from_message(image)
        vector = _vector(model, engine(model).embed_images([picture])[0])
        return {**vector, "caption": _caption_or_none(picture)}

    answer(self, compute)


@shared_task(bind=True, ignore_result=True, queue=INTERACTIVE)
def classify_image(self: Task, *, image: str, prompts: list[str], model: str) -> None:
    def compute() -> list[float]:
        vectors = engine(model).embed_images([from_message(image)])
        return engine(model).classify(vectors, prompts)[0].tolist()

    answer(self, compute)


@shared_task(bind=True, ignore_result=True, queue=INTERACTIVE)
def caption_and_label(
    self: Task, *, image: str, labels: list[dict[str, list[str]]], model: str
) -> None:
    """labels: may be empty."""

    def compute() -> dict[str, Any]:
        picture = from_message(image)
        scores = None
        if labels:
            vectors = engine(model).embed_images([picture])
            scores = engine(model).label(vectors, labels)[0].tolist()
        return {"caption": _caption_or_none(picture), "scores": scores}

    answer(self, compute)


@shared_task(bind=True, ignore_result=True, queue=INTERACTIVE)
def embed_texts(self: Task, *, texts: list[str], model: str) -> None:
    def compute() -> dict[str, Any]:
        vectors = engine(model).embed_texts(texts)
        return {"model": model, "vectors": vectors.tolist()}

    answer(self, compute)


def _vector(model: str, vector: Any) -> dict[str, Any]:
    return {"model": model, "vector": vector.tolist()}


def _caption_or_none(picture: Any) -> str | None:
    """The old service answered `caption: null` when only captioning failed; so does this one."""
    try:
        return engine().caption_images([picture])[0] or None
    except ModelUnavailable:
        return None
    except Exception:
        logger.exception("Captioning failed")
        return None
