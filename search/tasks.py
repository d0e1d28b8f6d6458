"""Celery's interface to index upkeep and to a change of the model."""

from celery import shared_task

from search import index, model_change


@shared_task(ignore_result=True)
def maintain_index() -> None:
    index.maintain()


@shared_task(ignore_result=True)
def change_model() -> None:
    model_change.advance()
