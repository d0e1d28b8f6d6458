"""The requests that someone is waiting for, as Celery tasks on the queue `interactive`.

Each answers through `ai.calls.answer`; images come as `ai.pictures.to_message` makes them.
"""

import logging
from typing import Any

from celery import Task, shared_task

from ai.calls import answer
from ai.errors import ModelUnavailable
from ai.pictures import from_message
from ai.worker import engine

logger = logging.getLogger(__name__)


@shared_task(bind=True, ignore_result=True)
def embed_text(self: Task, *, text: str) -> None:
    def compute() -> dict[str, Any]:
        return _vector(engine().embed_texts([text])[0])

    answer(self.request.id, compute)


@shared_task(bind=True, ignore_result=True)
def embed_image(self: Task, *, image: str) -> None:
    def compute() -> dict[str, Any]:
        return _vector(engine().embed_images([from_message(image)])[0])

    answer(self.request.id, compute)


@shared_task(bind=True, ignore_result=True)
def describe_image(self: Task, *, image: str) -> None:
    def compute() -> dict[str, Any]:
        picture = from_message(image)
        vector = _vector(engine().embed_images([picture])[0])
        return {**vector, "caption": _caption_or_none(picture)}

    answer(self.request.id, compute)


@shared_task(bind=True, ignore_result=True)
def caption_image(self: Task, *, image: str) -> None:
    answer(self.request.id, lambda: engine().caption_images([from_message(image)])[0])


@shared_task(bind=True, ignore_result=True)
def classify_image(self: Task, *, image: str, prompts: list[str]) -> None:
    def compute() -> list[float]:
        vectors = engine().embed_images([from_message(image)])
        return engine().classify(vectors, prompts)[0].tolist()

    answer(self.request.id, compute)


def _vector(vector: Any) -> dict[str, Any]:
    return {"model": engine().clip_name, "vector": vector.tolist()}


def _caption_or_none(picture: Any) -> str | None:
    """The old service answered `caption: null` when only captioning failed; so does this one."""
    try:
        return engine().caption_images([picture])[0] or None
    except ModelUnavailable:
        return None
    except Exception:
        logger.exception("Captioning failed")
        return None
